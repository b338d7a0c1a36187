// flags: -pthread
/* The runtime's heap inside the handlers of the very calls that malloc makes: with threads that
 * allocate all the time, no handler meets its own calls, and every block is one's own. */
#include "check.h"
#include <pthread.h>

#define THREADS 4

static long calls;
static __thread int depth;
static int depth_max;

static long with_memory(const struct muslin_call *call, void *context)
{
	(void)context;
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	if (++depth > depth_max) depth_max = depth;
	unsigned long sizes[] = { 1, 40, 64, 300, 5000, 100000 };
	unsigned char *blocks[6];
	for (int i = 0; i < 6; i++) {
		unsigned long align = 1ul << i * 2;
		blocks[i] = muslin_alloc(sizes[i], align);
		if (!blocks[i] || (unsigned long)blocks[i] % align) muslin_abort("no block, or crooked");
		memset(blocks[i], (int)(unsigned long)blocks + i, sizes[i]);
	}
	long raw = muslin_next(call);
	for (int i = 0; i < 6; i++) {
		unsigned char want = (int)(unsigned long)blocks + i;
		for (unsigned long at = 0; at < sizes[i]; at++)
			if (blocks[i][at] != want) muslin_abort("two owners of one block");
		muslin_free(blocks[i]);
	}
	depth--;
	return raw;
}

/* malloc in a handler of a call that malloc does not make: allowed. */
static long with_malloc(const struct muslin_call *call, void *context)
{
	(void)context;
	void *volatile small = malloc(100), *volatile large = malloc(1 << 20);
	if (!small || !large) return -ENOMEM;
	free(small);
	free(large);
	return muslin_next(call);
}

static void *work(void *unused)
{
	(void)unused;
	void *blocks[64] = { 0 };
	unsigned random = (unsigned long)pthread_self() >> 12;
	for (int i = 0; i < 3000; i++) {
		random = random * 1103515245 + 12345;
		int at = random >> 16 & 63;
		free(blocks[at]);
		blocks[at] = malloc(random >> 10 & 0x3ffff);
		if (i % 64 == 0) getppid();
	}
	for (int at = 0; at < 64; at++) free(blocks[at]);
	return NULL;
}

MUSLIN_STATIC(early_brk, SYS_brk, with_memory, 0, 0);

int main(void)
{
	long first = calls;
	GIVES(muslin_register_family(muslin_memory, with_memory, 0, MUSLIN_OWN_STACK), 0);
	GIVES(muslin_register(SYS_getppid, with_malloc, 0, 0, NULL), 0);
	CHECK(getppid() > 0);
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) GIVES(pthread_create(&threads[i], NULL, work, NULL), 0);
	for (int i = 0; i < THREADS; i++) GIVES(pthread_join(threads[i], NULL), 0);
	CHECK(calls - first > 100);
	/* brk has two handlers on top of each other, so the deepest is 2. */
	CHECK(depth_max <= 2);

	/* What it cannot give. */
	CHECK(muslin_alloc(-1ul, 16) == NULL);
	CHECK(muslin_alloc(1ul << 60, 16) == NULL);
	CHECK(muslin_alloc(100, 24) == NULL);
	CHECK(muslin_alloc(100, 0) == NULL);
	CHECK(muslin_alloc(100, 1ul << 33) == NULL);
	muslin_free(NULL);
	char *none = muslin_alloc(0, 1), *page = muslin_alloc(10, 1 << 20);
	CHECK(none != NULL && page != NULL && (unsigned long)page % (1 << 20) == 0);
	muslin_free(none);
	muslin_free(page);
	return finish();
}
