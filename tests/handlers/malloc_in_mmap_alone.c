// ends: signal 6
// says: muslin: malloc was called from inside malloc
/* The same with a single thread, where nobody waits but the heap would be half changed: the process
 * ends with the same line. */
#include "check.h"

static long with_malloc(const struct muslin_call *call, void *context)
{
	(void)context;
	free(malloc(100));
	return muslin_next(call);
}

static void work(void)
{
	void *blocks[200] = { 0 };
	for (int i = 0; i < 20000; i++) {
		free(blocks[i % 200]);
		blocks[i % 200] = malloc(i * 97 % 9000 + 1);
	}
}

int main(void)
{
	GIVES(muslin_register_family(muslin_memory, with_malloc, 0, 0), 0);
	work();
	return finish();
}
