// also: library_os
/* Handlers on top of each other: order, previous, restore, reinstate, changed arguments. */
#include "check.h"
#include <sys/stat.h>

static char order[16];

static long note(const struct muslin_call *call, void *context)
{
	strcat(order, context);
	return muslin_next(call);
}

static long answer(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context;
}

/* Passes the call on with another argument. */
static long close_another(const struct muslin_call *call, void *context)
{
	struct muslin_call changed = *call;
	changed.args[0] = (long)context;
	return muslin_next(&changed);
}

int main(void)
{
	const struct muslin_handler *before_a, *before_b, *before_c, *before;
	long pid = getppid();

	GIVES(muslin_register(SYS_getppid, note, "a", 0, &before_a), 0);
	CHECK(before_a == NULL);
	GIVES(muslin_register(SYS_getppid, note, "b", 0, &before_b), 0);
	CHECK(before_b != NULL);
	GIVES(muslin_register(SYS_getppid, note, "c", 0, &before_c), 0);
	CHECK(before_c != NULL && before_c != before_b);
	GIVES(getppid(), pid);
	CHECK(!strcmp(order, "cba"));

	/* One of the middle, and what is below it. */
	*order = 0;
	GIVES(muslin_call(before_c, SYS_getppid, (long[6]){0}), pid);
	CHECK(!strcmp(order, "ba"));

	/* Below the first one there is none but the platform. */
	*order = 0;
	GIVES(muslin_call(before_a, SYS_getppid, (long[6]){0}), pid);
	CHECK(!*order);

	/* Past all of them. */
	*order = 0;
	GIVES(muslin_passthrough(SYS_getppid, (long[6]){0}), pid);
	CHECK(!*order);

	/* The previous one is the top again; what was above is gone. */
	GIVES(muslin_reinstate(before_c), 0);
	GIVES(getppid(), pid);
	CHECK(!strcmp(order, "ba"));
	*order = 0;
	GIVES(muslin_restore(SYS_getppid), 0);
	GIVES(getppid(), pid);
	CHECK(!*order);

	/* After a restore, the first one's previous is the platform; and a handler can come back. */
	GIVES(muslin_register(SYS_getppid, answer, (void *)77, 0, &before), 0);
	CHECK(before == NULL);
	GIVES(getppid(), 77);
	GIVES(muslin_reinstate(before_b), 0);
	GIVES(getppid(), pid);
	CHECK(!strcmp(order, "a"));
	GIVES(muslin_restore(SYS_getppid), 0);
	GIVES(muslin_restore(SYS_getppid), 0);
	FAILS(muslin_reinstate(NULL) ? (errno = EINVAL, -1) : 0, EINVAL);

	/* Values and errnos of a handler are those of a kernel. */
	GIVES(muslin_register(SYS_getuid, answer, (void *)4095, 0, NULL), 0);
	GIVES(getuid(), 4095);
	GIVES(muslin_register(SYS_umask, answer, (void *)-4095L, 0, NULL), 0);
	FAILS((int)umask(0), 4095);
	GIVES(muslin_register(SYS_umask, answer, (void *)-4096L, 0, NULL), 0);
	errno = 0;
	GIVES((int)umask(0), -4096);
	GIVES(errno, 0);

	int pipes[2];
	GIVES(pipe(pipes), 0);
	GIVES(muslin_register(SYS_close, close_another, (void *)(long)pipes[1], 0, NULL), 0);
	GIVES(close(12345), 0);
	FAILS(close(12345), EBADF);
	GIVES(write(pipes[0], "", 0) == -1 ? errno : 0, EBADF);
	return finish();
}
