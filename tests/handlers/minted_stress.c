// flags: -pthread
/* Threads that mint, copy, close, read, write and poll the same descriptors at once, by a seed
 * (MUSLIN_SEED). In the end every object has been closed once and given back, and no descriptor is left. */
#include "check.h"
#include "echo_object.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>

enum { THREADS = 4, NUMBERS = 12, STEPS = 6000, OBJECTS = THREADS * STEPS };

static struct echo *objects;
static int object_count, numbers[NUMBERS], epoll;
static unsigned seed = 1;

static unsigned next(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 8;
}

static int minted(void)
{
	int index = __atomic_fetch_add(&object_count, 1, __ATOMIC_RELAXED);
	int fd = echo_mint(&objects[index], O_NONBLOCK);
	if (fd < 0) {
		CHECK(!"minted");
		objects[index].file = 0;
	}
	return fd;
}

/* Another number stands in this place from now on; the one that stood there is this thread's. */
static int exchange(int place, int fd)
{
	return __atomic_exchange_n(&numbers[place], fd, __ATOMIC_ACQ_REL);
}

static void *work(void *thread)
{
	unsigned state = seed * 1000 + (unsigned)(long)thread;
	char text[16] = "0123456789abcdef";
	for (int i = 0; i < STEPS; i++) {
		int place = next(&state) % NUMBERS;
		int fd = __atomic_load_n(&numbers[place], __ATOMIC_ACQUIRE), old = -1;
		struct pollfd one = { fd, POLLIN | POLLOUT, 0 };
		struct epoll_event event = { .events = EPOLLIN | (next(&state) % 2 ? EPOLLET : 0) };
		switch (next(&state) % 12) {
		case 0: case 1: old = exchange(place, minted()); break;
		case 2: old = exchange(place, dup(fd)); break;
		case 3: old = exchange(place, open("/dev/null", O_RDWR)); break;
		case 4: old = exchange(place, fcntl(fd, F_DUPFD_CLOEXEC, 40)); break;
		case 5: old = exchange(place, -1); break;
		case 6: case 7: read(fd, text, 1 + next(&state) % 10); break;
		case 8: case 9: write(fd, text, 1 + next(&state) % 10); break;
		case 10: poll(&one, 1, 0); break;
		case 11: epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event); break;
		}
		if (old >= 0) {
			/* A number of its own is put over another's now and then. */
			int over = next(&state) % 8 ? -1 : exchange(next(&state) % NUMBERS, -1);
			if (over >= 0) {
				GIVES(dup2(old, over), over);
				GIVES(close(over), 0);
			}
			GIVES(close(old), 0);
		}
	}
	return 0;
}

static int open_ones(void)
{
	DIR *all = opendir("/proc/self/fd");
	int count = 0;
	while (readdir(all)) count++;
	closedir(all);
	return count;
}

int main(void)
{
	if (getenv("MUSLIN_SEED")) seed = atoi(getenv("MUSLIN_SEED"));
	objects = calloc(OBJECTS, sizeof *objects);
	for (int i = 0; i < NUMBERS; i++) numbers[i] = -1;
	close(minted());
	epoll = epoll_create1(0);
	int before = open_ones();
	pthread_t threads[THREADS];
	for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], 0, work, (void *)i);
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], 0);
	for (int i = 0; i < NUMBERS; i++) if (numbers[i] >= 0) close(numbers[i]);
	int closed = 0, kept = 0;
	for (int i = 0; i < object_count; i++) {
		if (!objects[i].file) continue;
		closed += objects[i].closed == 1 && objects[i].references == 0;
		kept += objects[i].closed != 1 || objects[i].references != 0;
		muslin_file_release(objects[i].file);
	}
	CHECK(closed > 100);
	GIVES(kept, 0);
	/* At most as many sinks stay as may wait for their next use. */
	int more = open_ones() - before;
	check(more >= 0 && more <= 16, "descriptors are left", __LINE__, more);
	/* What is minted now works as ever. */
	static struct echo last;
	int fd = echo_mint(&last, O_NONBLOCK);
	struct pollfd one = { fd, POLLIN | POLLOUT, 0 };
	GIVES(poll(&one, 1, 0), 1);
	GIVES(one.revents, POLLOUT);
	GIVES(write(fd, "12345678", 8), 8);
	GIVES(poll(&one, 1, 0), 1);
	GIVES(one.revents, POLLIN);
	GIVES(close(fd), 0);
	return finish();
}
