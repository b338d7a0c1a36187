/* The smallest handler: there before the process makes its first call.
 *
 *     muslin-cc examples/c/static.c -o static && ./static
 */
#include <muslin.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Gets the call, and answers with a value or a negative errno. */
static long always_42(const struct muslin_call *call, void *context)
{
	(void)call, (void)context;
	return 42;
}

MUSLIN_STATIC(my_getppid, SYS_getppid, always_42, NULL, 0);

/* How many calls were made when main starts: the very first one is seen. */
static long before_main;

static long count(const struct muslin_call *call, void *context)
{
	++*(long *)context;
	return muslin_next(call);
}

MUSLIN_STATIC(first_call, SYS_arch_prctl, count, &before_main, 0);

int main(void)
{
	printf("my parent is process %d\n", getppid());
	printf("arch_prctl, the first call of a process, was seen %ld time\n", before_main);
	return 0;
}
