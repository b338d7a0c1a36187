// ends: status 1
// says: muslin: a static handler is registered for call 512
// also: library_os
/* A static handler for a number that there is not. */
#include "check.h"

static long answer(const struct muslin_call *call, void *context)
{
	(void)call, (void)context;
	return 0;
}

MUSLIN_STATIC(wrong, 512, answer, 0, 0);

int main(void)
{
	return finish();
}
