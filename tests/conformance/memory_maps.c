/* mmap, munmap: anonymous, of files, shared, private, fixed, and all that is refused. */
#include "expect.h"
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096

static int refused(void *map, int error) { return map == MAP_FAILED && errno == error; }

int main(void)
{
	char *map = mmap(NULL, 10 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK("anonymous", map != MAP_FAILED && ((unsigned long)map & (PAGE - 1)) == 0);
	CHECK("zeros", map[0] == 0 && map[10 * PAGE - 1] == 0);
	memset(map, 7, 10 * PAGE);
	char *inside = mmap(map + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK("fixed replaces", inside == map + PAGE && map[PAGE] == 0 && map[0] == 7 && map[2 * PAGE] == 7);
	CHECK("fixed noreplace", refused(mmap(map, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), EEXIST));
	GIVES("munmap of a part", munmap(map + 4 * PAGE, PAGE), 0);
	inside = mmap(map + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK("a hint that is free is taken", inside == map + 4 * PAGE);
	GIVES("munmap of all", munmap(map, 10 * PAGE), 0);
	GIVES("munmap of what is not mapped", munmap(map, 10 * PAGE), 0);
	FAILS("munmap at an odd address", munmap(map + 1, PAGE), EINVAL);
	FAILS("munmap of nothing", munmap(map, 0), EINVAL);

	map = mmap(NULL, 1L << 33, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK("8 GiB of PROT_NONE", map != MAP_FAILED);
	GIVES("munmap of it", munmap(map, 1L << 33), 0);
	CHECK("too much", refused(mmap(NULL, 1L << 50, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM));
	CHECK("more than a pointer difference (musl)", refused(mmap(NULL, 1UL << 63, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM));
	CHECK("nothing", refused(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL));
	CHECK("neither shared nor private", refused(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL));
	CHECK("an odd place", refused(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 0, 1), EINVAL));
	CHECK("EBADF", refused(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF));

	int fd = open("file", O_CREAT | O_RDWR, 0600);
	GIVES("ftruncate", ftruncate(fd, PAGE + 100), 0);
	GIVES("pwrite", pwrite(fd, "hello", 5, PAGE), 5);
	char *shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
	CHECK("maps of a file", shared != MAP_FAILED && private != MAP_FAILED && second != MAP_FAILED);
	say("%.5s %.5s %.5s", shared + PAGE, private + PAGE, second);
	shared[PAGE] = 'J';
	private[PAGE + 1] = 'u';
	say("%.5s %.5s %.5s", shared + PAGE, private + PAGE, second);
	char text[8] = "";
	GIVES("pread", pread(fd, text, 5, PAGE), 5);
	say("file: %s", text);
	CHECK("zeros behind the end", shared[PAGE + 100] == 0 && shared[2 * PAGE - 1] == 0);
	GIVES("msync", msync(shared, 2 * PAGE, MS_SYNC), 0);
	FAILS("msync at an odd address", msync(shared + 1, PAGE, MS_SYNC), EINVAL);
	FAILS("msync of both ways", msync(shared, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK("private behind the last offset", refused(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, LONG_MAX - (PAGE - 1)), EOVERFLOW));
	CHECK("shared across the last offset", refused(mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, LONG_MAX - (2 * PAGE - 1)), EOVERFLOW));
	CHECK("up to the last offset", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, LONG_MAX - (2 * PAGE - 1)) != MAP_FAILED);
	close(fd);
	say("the map outlives the descriptor: %.5s", shared + PAGE);
	int reader = open("file", O_RDONLY), writer = open("file", O_WRONLY);
	CHECK("shared and writable of a reader", refused(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0), EACCES));
	CHECK("private and writable of a reader", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0) != MAP_FAILED);
	CHECK("of a writer", refused(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, writer, 0), EACCES));
	int directory = open(".", O_RDONLY);
	CHECK("of a directory", refused(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, directory, 0), ENODEV));

	volatile int *both = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	volatile int *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	if (!child) {
		*both = 11;
		*own = 12;
		_exit(0);
	}
	waitpid(child, NULL, 0);
	say("after the child: shared %d, private %d", *both, *own);

	int (*code)(void) = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy((void *)code, "\xb8\x2a\0\0\0\xc3", 6);
	GIVES("code in a map", code(), 42);
	return finish();
}
