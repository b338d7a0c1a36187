/* syscall() with numbers that the compiler does not know, numbers that do not exist, six arguments. */
#include "expect.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

static volatile long number;

int main(void)
{
	FAILS("510, beyond the last", (number = 510, syscall(number)), ENOSYS);
	FAILS("511", (number = 511, syscall(number)), ENOSYS);
	FAILS("512, where the x32 calls begin", (number = 512, syscall(number)), ENOSYS);
	FAILS("513", (number = 513, syscall(number)), ENOSYS);
	FAILS("1000", (number = 1000, syscall(number)), ENOSYS);
	FAILS("100000", (number = 100000, syscall(number)), ENOSYS);
	FAILS("-1", (number = -1, syscall(number)), ENOSYS);
	FAILS("-100", (number = -100, syscall(number)), ENOSYS);
	FAILS("180, never used", (number = 180, syscall(number)), ENOSYS);
	FAILS("create_module, no longer there", (number = SYS_create_module, syscall(number)), ENOSYS);

	number = SYS_getpid;
	CHECK("getpid", syscall(number) == getpid());
	number = SYS_gettid;
	CHECK("gettid", syscall(number) == gettid());
	number = SYS_getppid;
	CHECK("getppid", syscall(number) == getppid());
	number = SYS_write;
	GIVES("write", syscall(number, 1, "through syscall()\n", 18), 18);
	FAILS("write EBADF", syscall(number, -1, "x", 1), EBADF);
	number = SYS_mmap;
	char *map = (char *)syscall(number, 0L, 8192L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1L, 0L);
	CHECK("mmap, six arguments", map != MAP_FAILED && (map[8191] = 1));
	int fd = open("file", O_CREAT | O_RDWR, 0600);
	ftruncate(fd, 8192);
	pwrite(fd, "sixth", 5, 4096);
	map = (char *)syscall(number, 0L, 4096L, PROT_READ, MAP_SHARED, (long)fd, 4096L);
	say("the sixth argument arrives: %.5s", map);
	number = SYS_munmap;
	GIVES("munmap", syscall(number, map, 4096L), 0);
	number = SYS_lseek;
	GIVES("a result beyond 32 bits", syscall(number, (long)fd, 0x123456789aL, (long)SEEK_SET), 0x123456789aL);
	number = SYS_open;
	FAILS("open", syscall(number, "nothing", O_RDONLY, 0), ENOENT);
	number = SYS_clock_gettime;
	struct timespec t = { 0, 0 };
	GIVES("clock_gettime", syscall(number, CLOCK_REALTIME, &t), 0);
	CHECK("the time", t.tv_sec > 1500000000);
	number = SYS_futex;
	int word = 1;
	FAILS("futex: another value", syscall(number, &word, 0, 0, (void *)0), EAGAIN);
	number = SYS_getpriority;
	CHECK("getpriority as the kernel has it: 1 to 40", syscall(number, 0, 0) >= 1 && syscall(number, 0, 0) <= 40);
	number = SYS_io_uring_setup;
	CHECK("io_uring_setup does not set up", syscall(number, 1L, 0L) == -1);
	return finish();
}
