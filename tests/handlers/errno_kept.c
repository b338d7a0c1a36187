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

static int calls_of_getuid;

/* A handler of getuid that asks for getuid: its own call must not come to it. */
static long asks_itself(const struct muslin_call *call, void *context)
{
	(void)context;
	calls_of_getuid++;
	if (calls_of_getuid < 10) getuid();
	errno = 77;
	return muslin_next(call);
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
	/* The program itself may call a handler that it once registered: the same holds. */
	const struct muslin_handler *handler = NULL;
	GIVES(muslin_register(SYS_getuid, asks_itself, 0, 0, NULL), 0);
	GIVES(muslin_register(SYS_getuid, spoil, 0, 0, &handler), 0);
	CHECK(handler != NULL);
	errno = 5;
	GIVES(muslin_call(handler, SYS_getuid, (long[6]){0}), getuid());
	GIVES(errno, 5);
	GIVES(calls_of_getuid, 2);
	return finish();
}
