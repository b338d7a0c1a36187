// flags: -pthread
// ends: signal 6
// says: muslin: malloc was called from inside malloc
/* malloc in a handler of mmap, which muslin.h forbids: the process ends with a line that says so,
 * and does not wait for itself. */
#include "check.h"
#include <pthread.h>

static long with_malloc(const struct muslin_call *call, void *context)
{
	(void)context;
	free(malloc(100));
	return muslin_next(call);
}

static void *work(void *unused)
{
	void *blocks[200] = { 0 };
	(void)unused;
	for (int i = 0; i < 20000; i++) {
		free(blocks[i % 200]);
		blocks[i % 200] = malloc(i * 97 % 9000 + 1);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;
	GIVES(pthread_create(&thread, NULL, work, NULL), 0);
	GIVES(muslin_register_family(muslin_memory, with_malloc, 0, 0), 0);
	work(NULL);
	GIVES(pthread_join(thread, NULL), 0);
	return finish();
}
