/* Handlers in C that do next to nothing. */
#include <muslin.h>

int *__errno_location(void);

static long empty(const struct muslin_call *call, void *context)
{
	(void)call;
	(void)context;
	return 42;
}

static long sets_errno(const struct muslin_call *call, void *context)
{
	(void)call;
	(void)context;
	*__errno_location() = 2;
	return 42;
}

static long passes_on(const struct muslin_call *call, void *context)
{
	(void)context;
	return muslin_next(call);
}

int bench_register_empty(long nr, unsigned flags)
{
	return muslin_register(nr, empty, 0, flags, 0);
}

int bench_register_sets_errno(long nr)
{
	return muslin_register(nr, sets_errno, 0, 0, 0);
}

int bench_register_passes_on(long nr)
{
	return muslin_register(nr, passes_on, 0, 0, 0);
}
