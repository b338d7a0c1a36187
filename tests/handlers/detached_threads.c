// flags: -pthread
/* The last two calls of a detached thread, munmap of its own stack and exit, have no thread-locals
 * any more: a handler reads them as zero, what it writes is lost, errno included; and nothing is
 * kept for threads that are gone. */
#include "check.h"
#include <pthread.h>

#define THREADS 500

static __thread volatile long local = 3, other = 4;
static int exits, unmaps, wrong;
static pid_t main_thread;

static long at_the_end(const struct muslin_call *call, void *context)
{
	volatile char buffer[20000];
	(void)context;
	if (muslin_passthrough(SYS_gettid, (long[6]){0}) == main_thread) return muslin_next(call);
	for (unsigned i = 0; i < sizeof buffer; i += 256) buffer[i] = 1;
	/* What the handler of munmap leaves, that of exit finds, and no other thread. */
	int is_exit = call->nr == SYS_exit;
	if (local != (is_exit ? 5 : 0) || other != 0 || errno != 0)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	local = 5;
	errno = 9;
	__atomic_add_fetch(is_exit ? &exits : &unmaps, 1, __ATOMIC_RELAXED);
	return muslin_next(call);
}

static void *nothing(void *unused)
{
	(void)unused;
	return NULL;
}

static long address_space_kib(void)
{
	char line[200];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof line, file)) sscanf(line, "VmSize: %ld", &kib);
	fclose(file);
	return kib;
}

static void detached_threads(int threads)
{
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int want = exits + threads;
	for (int i = 0; i < threads; i++) {
		while (pthread_create(&thread, &attributes, nothing, NULL)) sleep_ms(1);
	}
	for (int i = 0; i < 5000 && __atomic_load_n(&exits, __ATOMIC_RELAXED) < want; i++) sleep_ms(1);
	sleep_ms(20);
	GIVES(exits, want);
}

int main(void)
{
	main_thread = getpid();
	GIVES(muslin_register(SYS_exit, at_the_end, 0, MUSLIN_OWN_STACK, NULL), 0);
	GIVES(muslin_register(SYS_munmap, at_the_end, 0, MUSLIN_OWN_STACK, NULL), 0);
	detached_threads(20);
	long before = address_space_kib();
	detached_threads(THREADS);
	long grown = address_space_kib() - before;
	check(grown < 2048, "address space grew by KiB", __LINE__, grown);
	GIVES(unmaps, exits);
	GIVES(wrong, 0);
	GIVES(local, 3);
	return finish();
}
