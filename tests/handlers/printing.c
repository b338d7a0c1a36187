/* Printing inside the handlers of the calls that printing makes. */
#include "check.h"
#include <fcntl.h>

static int calls, in_handler;

static long loud(const struct muslin_call *call, void *context)
{
	(void)context;
	if (in_handler++) muslin_abort("a write handler met its own write");
	calls++;
	muslin_print("a line from a write handler\n");
	/* stdio on another stream: its own writev does not come back here. */
	fprintf(stderr, "stdio from a %s handler\n", call->nr == SYS_writev ? "writev" : "write");
	in_handler--;
	return muslin_next(call);
}

int main(void)
{
	int pipes[2], errors = dup(2);
	char said[500] = "", answer[100] = "";
	GIVES(pipe(pipes), 0);
	dup2(pipes[1], 2);
	GIVES(muslin_register_family(muslin_writes, loud, 0, 0), 0);
	int out[2];
	GIVES(pipe(out), 0);
	FILE *file = fdopen(out[1], "w");
	fprintf(file, "hello %d\n", 7);
	fflush(file);
	GIVES(write(out[1], "bye\n", 4), 4);
	GIVES(muslin_restore(SYS_write), 0);
	GIVES(muslin_restore(SYS_writev), 0);
	dup2(errors, 2);
	GIVES(calls, 2);
	CHECK(read(out[0], answer, sizeof answer - 1) == 12 && !strcmp(answer, "hello 7\nbye\n"));
	CHECK(read(pipes[0], said, sizeof said - 1) > 0);
	CHECK(!strcmp(said,
		"a line from a write handler\nstdio from a writev handler\n"
		"a line from a write handler\nstdio from a write handler\n"));
	return finish();
}
