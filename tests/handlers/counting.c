// only: counted
/* What MUSLIN_COUNT counts: calls that entered the table, and those that went to the platform,
 * whoever answered, in threads and children too. */
#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

static volatile uint64_t *words;

static uint64_t entered(long nr)
{
	return words[2 + nr];
}

static uint64_t passed(long nr)
{
	return words[2 + 512 + nr];
}

static long answer(const struct muslin_call *call, void *context)
{
	(void)call, (void)context;
	return 1;
}

static long pass_on(const struct muslin_call *call, void *context)
{
	(void)context;
	getgid();                       /* a handler's own calls enter the table as well */
	return muslin_next(call);
}

#define COUNTS(nr, action, in, out) do { \
		uint64_t in_ = entered(nr), out_ = passed(nr); \
		action; \
		GIVES(entered(nr) - in_, in); \
		GIVES(passed(nr) - out_, out); \
	} while (0)

static long note(const struct muslin_call *call, void *context)
{
	++*(int *)context;
	return muslin_next(call);
}

static int first_calls;
MUSLIN_STATIC(counted_first, SYS_arch_prctl, note, &first_calls, 0);

int main(void)
{
	int fd = open(getenv("MUSLIN_COUNT"), O_RDONLY);
	words = mmap(NULL, 8208, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(words != MAP_FAILED);
	CHECK(!memcmp((void *)words, "MUSLINC1", 8));
	GIVES(words[1], 512);
	GIVES(first_calls, 1);
	GIVES(entered(SYS_arch_prctl), 1);
	GIVES(passed(SYS_arch_prctl), 1);
	GIVES(entered(SYS_set_tid_address), 1);
	GIVES(passed(SYS_set_tid_address), 1);

	COUNTS(SYS_getppid, getppid(), 1, 1);
	muslin_register(SYS_getppid, answer, NULL, 0, NULL);
	COUNTS(SYS_getppid, getppid(); getppid(), 2, 0);
	COUNTS(SYS_getppid, syscall(SYS_getppid), 1, 0);
	muslin_restore(SYS_getppid);
	COUNTS(SYS_getppid, getppid(), 1, 1);
	muslin_register(SYS_getppid, pass_on, NULL, 0, NULL);
	COUNTS(SYS_getppid, getppid(), 1, 1);
	COUNTS(SYS_getgid, getppid(), 1, 1);
	COUNTS(SYS_getppid, muslin_passthrough(SYS_getppid, (long[6]){0}), 0, 1);

	pid_t child;
	COUNTS(SYS_getppid, child = fork(); if (!child) { getppid(); _exit(0); } wait(NULL), 1, 1);
	GIVES(entered(SYS_fork), 1);
	COUNTS(SYS_vfork, child = vfork(); if (!child) _exit(0); wait(NULL), 1, 1);
	return finish();
}
