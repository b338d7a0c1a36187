// flags: -pthread
// only: library_os
// also: library_os
// ends: status 134
// says: a handler locked what is locked
/* A lock is not recursive. Without a kernel below, that is said. */
#include "check.h"

int main(void)
{
	unsigned lock = 0;
	muslin_lock(&lock);
	muslin_lock(&lock);
	return 0;
}
