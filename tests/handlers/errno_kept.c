/* errno is what the call makes it, whatever handlers do to it. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>

static long spoil(const struct muslin_call *call, void *context)
{
	(void)context;
	close(-1);
	if (errno != EBADF) return -EPROTO;
	errno = 1234;
	long raw = muslin_next(call);
	errno = 1235;
	return raw;
}

static void *in_a_thread(void *unused)
{
	(void)unused;
	errno = 6;
	getppid();
	GIVES(errno, 6);
	return NULL;
}

int main(void)
{
	GIVES(muslin_register(SYS_getppid, spoil, 0, 0, NULL), 0);
	GIVES(muslin_register(SYS_getdents64, spoil, 0, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_open, spoil, 0, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_fcntl, spoil, 0, 0, NULL), 0);
	errno = 5;
	CHECK(getppid() > 0);
	GIVES(errno, 5);
	FAILS(access("/no/such", 0), ENOENT);
	/* readdir: the end is told from an error by errno alone. */
	DIR *dir = opendir("/");
	CHECK(dir != NULL);
	int entries = 0;
	errno = 0;
	while (readdir(dir)) entries++;
	GIVES(errno, 0);
	CHECK(entries >= 2);
	pthread_t thread;
	GIVES(pthread_create(&thread, NULL, in_a_thread, NULL), 0);
	GIVES(pthread_join(thread, NULL), 0);
	return finish();
}
