/* Calls that succeed, and nothing has to be tried twice in them, leave errno as it was. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>

#define MARK 12345
#define KEEPS(call) do { \
		errno = MARK; \
		long got_ = (long)(call); \
		int now_ = errno; \
		CHECK(#call, got_ != -1 && now_ == MARK); \
	} while (0)

static void *in_thread(void *unused)
{
	(void)unused;
	int at_start = errno;
	errno = 1;
	return (void *)(long)at_start;
}
static volatile int handled;
static void handler(int number)
{
	handled = number;
	close(-1);
	errno = MARK;
}

int main(void)
{
	char text[64];
	struct stat st;
	struct timespec t;
	struct timeval tv;
	struct rlimit limit;
	struct utsname name;
	sigset_t set;
	int p[2], pair[2], fd;
	pthread_t thread;
	void *result, *map;

	KEEPS(fd = open("file", O_CREAT | O_RDWR, 0600));
	KEEPS(write(fd, "text", 4));
	KEEPS(pread(fd, text, 4, 0));
	KEEPS(lseek(fd, 0, SEEK_SET));
	KEEPS(read(fd, text, 4));
	KEEPS(fstat(fd, &st));
	KEEPS(stat("file", &st));
	KEEPS(access("file", R_OK));
	KEEPS(chmod("file", 0640));
	KEEPS(ftruncate(fd, 100));
	KEEPS(rename("file", "renamed"));
	KEEPS(mkdir("dir", 0700));
	KEEPS(rmdir("dir"));
	KEEPS(unlink("renamed"));
	KEEPS(fcntl(fd, F_GETFL));
	KEEPS(dup2(fd, 30));
	KEEPS(close(30));
	KEEPS(close(fd));

	KEEPS(pipe(p));
	KEEPS(write(p[1], "x", 1));
	KEEPS(read(p[0], text, 1));
	KEEPS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	KEEPS(send(pair[0], "x", 1, 0));
	KEEPS(recv(pair[1], text, 1, 0));
	KEEPS(map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	KEEPS(mprotect(map, 4096, PROT_NONE));
	KEEPS(madvise(map, 4096, MADV_DONTNEED));
	KEEPS(munmap(map, 4096));
	KEEPS(malloc(100));
	KEEPS(malloc(1000000));
	KEEPS(getpid());
	KEEPS(getuid());
	KEEPS(uname(&name));
	KEEPS(getrlimit(RLIMIT_NOFILE, &limit));
	KEEPS(clock_gettime(CLOCK_MONOTONIC, &t));
	KEEPS(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
	KEEPS(gettimeofday(&tv, NULL));
	KEEPS(nanosleep(&(struct timespec){ 0, 1000 }, NULL));
	KEEPS(sigprocmask(SIG_BLOCK, NULL, &set));
	KEEPS(signal(SIGUSR1, handler) != SIG_ERR);
	KEEPS(raise(SIGUSR1));
	KEEPS(handled == SIGUSR1);
	KEEPS(sched_yield());
	KEEPS(syscall(SYS_gettid));
	KEEPS(umask(022));
	errno = MARK;
	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, &result);
	GIVES("a new thread has errno 0", result, 0);
	return finish();
}
