/* brk, sbrk as musl has them, and malloc with everything around it. */
#include "expect.h"
#include <malloc.h>
#include <stdint.h>
#include <sys/syscall.h>

int main(void)
{
	/* musl gives the break away to nobody but its own malloc. */
	CHECK("sbrk(0) is the break", (long)sbrk(0) > 0);
	CHECK("sbrk(1): ENOMEM", sbrk(1) == (void *)-1 && errno == ENOMEM);
	FAILS("brk: ENOMEM", brk(sbrk(0)), ENOMEM);
	CHECK("the call itself", syscall(SYS_brk, 0L) == (long)sbrk(0));

	static const size_t sizes[] = { 0, 1, 15, 16, 100, 4095, 4096, 100000, 200000, 10000000, 300000000 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char what[64];
		unsigned char *p = malloc(sizes[i]);
		snprintf(what, sizeof what, "malloc %lu", (unsigned long)sizes[i]);
		CHECK(what, p && ((uintptr_t)p & 15) == 0 && malloc_usable_size(p) >= sizes[i]);
		if (sizes[i]) p[0] = p[sizes[i] - 1] = 1;
		free(p);
	}
	CHECK("malloc of too much", !malloc(SIZE_MAX / 2) && errno == ENOMEM);
	CHECK("calloc that overflows", !calloc(SIZE_MAX / 2, 4) && errno == ENOMEM);
	unsigned char *zeros = calloc(1000, 1000);
	int sum = 0;
	for (int i = 0; i < 1000000; i++) sum |= zeros[i];
	GIVES("calloc is zero", sum, 0);
	free(zeros);

	char *p = malloc(10);
	memcpy(p, "123456789", 10);
	p = realloc(p, 1000000);
	say("realloc up: %s", p);
	p = realloc(p, 50000000);
	say("realloc further up: %s", p);
	p = realloc(p, 10);
	say("realloc down: %s", p);
	CHECK("realloc of too much", !realloc(p, SIZE_MAX / 2) && errno == ENOMEM);
	say("and the old stays: %s", p);
	free(p);
	free(NULL);
	CHECK("reallocarray that overflows", !reallocarray(NULL, SIZE_MAX, 2) && errno == ENOMEM);

	for (size_t alignment = 32; alignment <= 1 << 20; alignment <<= 5) {
		void *aligned = NULL;
		CODE("posix_memalign", posix_memalign(&aligned, alignment, 100), 0);
		CHECK("aligned", ((uintptr_t)aligned & (alignment - 1)) == 0);
		free(aligned);
	}
	void *aligned = aligned_alloc(4096, 8192);
	CHECK("aligned_alloc", aligned && ((uintptr_t)aligned & 4095) == 0);
	free(aligned);
	CODE("posix_memalign 3", posix_memalign(&aligned, 3, 1), EINVAL);
	CHECK("aligned_alloc 24", !aligned_alloc(24, 48) && errno == EINVAL);

	static void *many[20000];
	unsigned seed = 1;
	long bytes = 0;
	for (int round = 0; round < 100000; round++) {
		seed = seed * 1103515245 + 12345;
		int slot = (seed >> 8) % 20000;
		if (many[slot]) {
			bytes += *(unsigned char *)many[slot];
			free(many[slot]);
			many[slot] = NULL;
		} else {
			many[slot] = malloc(1 + (seed >> 4) % 3000);
			*(unsigned char *)many[slot] = slot;
		}
	}
	say("a storm of mallocs: %ld", bytes);
	return finish();
}
