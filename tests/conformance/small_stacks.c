/* Threads with the smallest stacks: what their calls need of a stack is not theirs to give. */
#include "expect.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define BELOW 4096
#define MARK 0x55

static pthread_barrier_t all;
static int good;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* As deep as calls get: paths with links, files that the kernel writes, maps that split. */
static void *work(void *unused)
{
	static struct stat st[8];
	static _Thread_local char text[64];
	struct timespec soon = { 0, 100000 };
	int ok = 1;
	(void)unused;
	for (int i = 0; i < 20; i++) {
		int fd = open("dir/link/link/../dir/link/file", O_CREAT | O_RDWR, 0600);
		ok &= fd >= 0 && pwrite(fd, "text", 4, i) == 4;
		ok &= pread(fd, text, 4, i) == 4;
		ok &= !fstat(fd, &st[0]) && !close(fd);
		fd = open("/proc/self/stat", O_RDONLY);
		ok &= fd >= 0 && read(fd, text, sizeof text) > 0 && !close(fd);
		char *map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ok &= map != MAP_FAILED;
		map[4096] = 1;
		/* Page by page: what was in the middle may be somebody else's by then. */
		ok &= !munmap(map + 4096, 4096) && !munmap(map, 4096) && !munmap(map + 2 * 4096, 4096);
		nanosleep(&soon, NULL);
	}
	pthread_barrier_wait(&all);
	pthread_mutex_lock(&mutex);
	good += ok;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

int main(void)
{
	pthread_t t[8];
	pthread_attr_t attributes;
	GIVES("mkdir", mkdir("dir", 0700), 0);
	GIVES("symlink", symlink(".", "dir/link"), 0);
	pthread_barrier_init(&all, NULL, 8);
	pthread_attr_init(&attributes);
	CODE("setstacksize", pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++) CODE("create", pthread_create(&t[i], &attributes, work, NULL), 0);
		for (int i = 0; i < 8; i++) CODE("join", pthread_join(t[i], NULL), 0);
	}
	say("%d of 24 worked", good);

	/* Stacks of the program's own, and what lies below them. */
	static _Alignas(16) char stacks[8][BELOW + PTHREAD_STACK_MIN];
	int untouched = 0;
	memset(stacks, MARK, sizeof stacks);
	for (int i = 0; i < 8; i++) {
		CODE("setstack", pthread_attr_setstack(&attributes, stacks[i] + BELOW, PTHREAD_STACK_MIN), 0);
		CODE("create", pthread_create(&t[i], &attributes, work, NULL), 0);
	}
	for (int i = 0; i < 8; i++) CODE("join", pthread_join(t[i], NULL), 0);
	for (int i = 0; i < 8; i++)
		for (int at = 0; at < BELOW; at++) untouched += stacks[i][at] == MARK;
	say("%d of 32 worked", good);
	GIVES("bytes below the stacks that are as they were", untouched, 8 * BELOW);
	return finish();
}
