// ends: status 1
// says: muslin: a static handler is registered for call 39
// also: library_os
/* A static handler with a flag that there is not. */
#include "check.h"

static long answer(const struct muslin_call *call, void *context)
{
	(void)call, (void)context;
	return 0;
}

MUSLIN_STATIC(wrong, SYS_getpid, answer, 0, 16);

int main(void)
{
	return finish();
}
