/* Handlers on top of each other, at run time: each passes the call on to the one below, and the
 * previous one can be the top again.
 *
 *     muslin-cc examples/c/chain.c -o chain && ./chain
 */
#include <muslin.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Capital letters for whatever is written to standard output. */
static long shout(const struct muslin_call *call, void *context)
{
	char text[200];
	struct muslin_call changed = *call;
	unsigned long length = call->args[2];
	(void)context;
	if (call->args[0] != 1 || length > sizeof text) return muslin_next(call);
	memcpy(text, (const char *)call->args[1], length);
	for (unsigned long i = 0; i < length; i++)
		if (text[i] >= 'a' && text[i] <= 'z') text[i] -= 32;
	changed.args[1] = (long)text;
	return muslin_next(&changed);
}

/* Counts what passes. The context is what was given when the handler was registered. */
static long count(const struct muslin_call *call, void *context)
{
	long written = muslin_next(call);
	if (written > 0) *(long *)context += written;
	return written;
}

static void say(const char *text)
{
	write(1, text, strlen(text));
}

int main(void)
{
	static long bytes;
	const struct muslin_handler *before_shouting;
	int error;

	say("hello from libc\n");
	error = muslin_register(SYS_write, count, &bytes, 0, NULL);
	if (!error) error = muslin_register(SYS_write, shout, NULL, 0, &before_shouting);
	if (error) {
		fprintf(stderr, "chain: cannot register: %s\n", strerror(-error));
		return 1;
	}
	say("hello through both handlers\n");
	muslin_reinstate(before_shouting);
	say("hello through the counter alone\n");
	muslin_restore(SYS_write);
	say("hello from libc again\n");
	printf("%ld bytes were counted\n", bytes);
	return 0;
}
