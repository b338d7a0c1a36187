// also: library_os
/* Calls from inside a handler go to the platform; with MUSLIN_REENTRANT they come back. */
#include "check.h"

static int plain, reentrant, other;

static long plain_handler(const struct muslin_call *call, void *context)
{
	(void)context;
	plain++;
	if (plain < 100) getppid();     /* would never end if it came back */
	getuid();
	return muslin_next(call);
}

static long other_handler(const struct muslin_call *call, void *context)
{
	(void)context;
	other++;
	return muslin_next(call);
}

static long reentrant_handler(const struct muslin_call *call, void *context)
{
	(void)context;
	if (++reentrant < 5) getppid();
	return muslin_next(call);
}

int main(void)
{
	long pid = getppid();
	muslin_register(SYS_getuid, other_handler, 0, 0, NULL);
	muslin_register(SYS_getppid, plain_handler, 0, 0, NULL);
	GIVES(getppid(), pid);
	GIVES(plain, 1);
	GIVES(other, 0);
	GIVES(getuid(), getuid());
	GIVES(other, 2);

	/* On top of the plain one: nested calls meet the reentrant handler only. It calls itself to a
	 * depth of 5; the plain one is called once, by the outermost, and its own call is the sixth. */
	muslin_register(SYS_getppid, reentrant_handler, 0, MUSLIN_REENTRANT, NULL);
	plain = 0;
	GIVES(getppid(), pid);
	GIVES(reentrant, 6);
	GIVES(plain, 1);

	/* A reentrant one below a plain one is found, too. */
	muslin_restore(SYS_getppid);
	muslin_register(SYS_getppid, reentrant_handler, 0, MUSLIN_REENTRANT, NULL);
	muslin_register(SYS_getppid, plain_handler, 0, 0, NULL);
	plain = 0, reentrant = 10, other = 0;
	GIVES(getppid(), pid);
	GIVES(plain, 1);
	GIVES(reentrant, 12);
	GIVES(other, 0);
	return finish();
}
