/* Threads, signals, cancellation and timers under stress, in an order that a seed chooses.
 *
 *   stress SEED SECONDS [alone [LEAK]]
 *
 * Directors play scenes at the same time, each with threads, locks, descriptors and timers of its own; a
 * scene checks what must hold at its end. Meanwhile signals hit all of them. After each act every thread
 * is gone and every descriptor closed; then free memory is measured. The most that was free after an act of
 * the last quarter is compared with the most after one of the second quarter: what is kept for the next
 * threads differs from act to act, what is lost is missing after all of them. LEAK bytes are lost in
 * every thousand scenes, so that the comparison can be seen to say no.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define DIRECTORS 6
#define ACTS_MIN 4
/* The library OS takes memory for its small blocks in pieces of 64 KiB: a late act may need four more than
 * all early ones did. In ten minutes a byte lost in ten scenes is twice as much. */
#define GROWTH_MAX_KB 256

static unsigned long seed, leak_bytes;
static atomic_long scenes_played, signals_taken;
static atomic_int curtain;

static void broken(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "stress: seed %lu: ", seed);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	_exit(1);
}

static void check(int error, const char *what)
{
	if (error) broken("%s: %s", what, strerror(error));
}

#define must(expression) \
	do { \
		if (!(expression)) broken("line %d: not so: %s (errno %d)", __LINE__, #expression, errno); \
	} while (0)

/* splitmix64 */
static uint64_t any(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned below(uint64_t *state, unsigned limit)
{
	return any(state) % limit;
}

static uint64_t now_ns(void)
{
	struct timespec time;
	must(!clock_gettime(CLOCK_MONOTONIC, &time));
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static struct timespec after(clockid_t clock, long ns)
{
	struct timespec time;
	must(!clock_gettime(clock, &time));
	time.tv_nsec += ns;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

static pthread_t begin(void *(*run)(void *), void *argument)
{
	pthread_t thread;
	check(pthread_create(&thread, 0, run, argument), "pthread_create");
	return thread;
}

static void *join(pthread_t thread)
{
	void *result;
	check(pthread_join(thread, &result), "pthread_join");
	return result;
}

static void sem_take(sem_t *semaphore)
{
	while (sem_wait(semaphore)) must(errno == EINTR);
}

/* A buffer of few places between threads that put numbers in and threads that take them out. */
struct buffer {
	pthread_mutex_t lock;
	pthread_cond_t room, filled;
	unsigned places[4], count, put, taken, to_put;
	uint64_t sum;
	uint64_t chance;
};

static void *put(void *argument)
{
	struct buffer *b = argument;
	for (unsigned i = 1; i <= b->to_put; i++) {
		check(pthread_mutex_lock(&b->lock), "lock");
		while (b->count == 4) check(pthread_cond_wait(&b->room, &b->lock), "wait for room");
		b->places[b->count++] = i;
		check(pthread_cond_signal(&b->filled), "signal");
		check(pthread_mutex_unlock(&b->lock), "unlock");
	}
	return 0;
}

static void *take(void *argument)
{
	struct buffer *b = argument;
	check(pthread_mutex_lock(&b->lock), "lock");
	for (;;) {
		while (!b->count && b->taken < b->put) {
			struct timespec soon = after(CLOCK_REALTIME, below(&b->chance, 300000));
			int error = pthread_cond_timedwait(&b->filled, &b->lock, &soon);
			if (error != ETIMEDOUT) check(error, "timed wait");
		}
		if (!b->count) break;
		b->sum += b->places[--b->count];
		if (++b->taken == b->put) check(pthread_cond_broadcast(&b->filled), "broadcast");
		check(pthread_cond_signal(&b->room), "signal");
	}
	check(pthread_mutex_unlock(&b->lock), "unlock");
	return 0;
}

static void scene_buffer(uint64_t *chance)
{
	struct buffer b = {
		.lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};
	unsigned putters = 1 + below(chance, 3), takers = 1 + below(chance, 3);
	pthread_t threads[6];
	b.chance = any(chance);
	b.to_put = 1 + below(chance, 60);
	b.put = putters * b.to_put;
	for (unsigned i = 0; i < putters + takers; i++) threads[i] = begin(i < putters ? put : take, &b);
	for (unsigned i = 0; i < putters + takers; i++) join(threads[i]);
	must(b.taken == b.put && b.sum == (uint64_t)putters * b.to_put * (b.to_put + 1) / 2);
}

/* Writers change two numbers together; nobody may see them apart. */
struct pair {
	pthread_rwlock_t lock;
	volatile unsigned one, other;
	unsigned rounds;
};

static void *write_pair(void *argument)
{
	struct pair *p = argument;
	for (unsigned i = 0; i < p->rounds; i++) {
		check(pthread_rwlock_wrlock(&p->lock), "wrlock");
		p->one++;
		if (i % 4 == 0) sched_yield();
		p->other++;
		check(pthread_rwlock_unlock(&p->lock), "unlock");
	}
	return 0;
}

static void *read_pair(void *argument)
{
	struct pair *p = argument;
	for (unsigned i = 0; i < p->rounds; i++) {
		struct timespec later = after(CLOCK_REALTIME, 200000);
		int error = i % 2 ? pthread_rwlock_rdlock(&p->lock) : pthread_rwlock_timedrdlock(&p->lock, &later);
		if (error == ETIMEDOUT) continue;
		check(error, "rdlock");
		must(p->one == p->other);
		if (i % 3 == 0) sched_yield();
		must(p->one == p->other);
		check(pthread_rwlock_unlock(&p->lock), "unlock");
	}
	return 0;
}

static void scene_pair(uint64_t *chance)
{
	struct pair p = {.lock = PTHREAD_RWLOCK_INITIALIZER, .rounds = 1 + below(chance, 40)};
	pthread_t threads[5];
	for (int i = 0; i < 5; i++) threads[i] = begin(i < 2 ? write_pair : read_pair, &p);
	for (int i = 0; i < 5; i++) join(threads[i]);
	must(p.one == 2 * p.rounds && p.other == p.one);
}

/* All threads go from phase to phase together. */
struct phases {
	pthread_barrier_t barrier;
	unsigned count, rounds;
	atomic_uint arrived, serial;
};

static void *go_through(void *argument)
{
	struct phases *p = argument;
	for (unsigned i = 1; i <= p->rounds; i++) {
		p->arrived++;
		int error = pthread_barrier_wait(&p->barrier);
		if (error == PTHREAD_BARRIER_SERIAL_THREAD) p->serial++;
		else check(error, "barrier");
		must(p->arrived >= i * p->count);
	}
	return 0;
}

static void scene_phases(uint64_t *chance)
{
	struct phases p = {.count = 1 + below(chance, 5), .rounds = 1 + below(chance, 12)};
	pthread_t threads[5];
	check(pthread_barrier_init(&p.barrier, 0, p.count), "barrier");
	for (unsigned i = 0; i < p.count; i++) threads[i] = begin(go_through, &p);
	for (unsigned i = 0; i < p.count; i++) join(threads[i]);
	must(p.arrived == p.count * p.rounds && p.serial == p.rounds);
	check(pthread_barrier_destroy(&p.barrier), "barrier");
}

/* A thread that waits somewhere is cancelled. */
struct victim {
	unsigned where;
	int ends[2];
	sem_t ready, never;
	pthread_mutex_t lock;
	pthread_cond_t condition;
	pthread_t other;
	int cleaned;
};

static void clean(void *argument)
{
	struct victim *v = argument;
	v->cleaned++;
}

static void unlock(void *lock)
{
	check(pthread_mutex_unlock(lock), "unlock of a cancelled thread");
}

static void *sleep_long(void *unused)
{
	(void)unused;
	for (;;) sleep(1000);
}

static void *wait_somewhere(void *argument)
{
	struct victim *v = argument;
	char byte;
	struct pollfd poll_end = {.fd = v->ends[0], .events = POLLIN};
	pthread_cleanup_push(clean, v);
	sem_post(&v->ready);
	for (;;) {
		switch (v->where) {
		case 0: must(read(v->ends[0], &byte, 1) < 0 && errno == EINTR); break;
		case 1: must(sem_wait(&v->never) && errno == EINTR); break;
		case 2: sleep(1000); break;
		case 3: must(poll(&poll_end, 1, -1) < 0 && errno == EINTR); break;
		case 4: pause(); break;
		case 5:
			check(pthread_mutex_lock(&v->lock), "lock");
			pthread_cleanup_push(unlock, &v->lock);
			for (;;) check(pthread_cond_wait(&v->condition, &v->lock), "wait");
			pthread_cleanup_pop(0);
			break;
		case 6: pthread_join(v->other, 0); broken("joined one who sleeps"); break;
		case 7: pthread_testcancel(); sched_yield(); break;
		}
	}
	pthread_cleanup_pop(0);
	return 0;
}

static void scene_cancel(uint64_t *chance)
{
	struct victim v = {
		.where = below(chance, 8), .lock = PTHREAD_MUTEX_INITIALIZER, .condition = PTHREAD_COND_INITIALIZER};
	must(!pipe(v.ends) && !sem_init(&v.never, 0, 0) && !sem_init(&v.ready, 0, 0));
	if (v.where == 6) v.other = begin(sleep_long, 0);
	pthread_t thread = begin(wait_somewhere, &v);
	unsigned when = below(chance, 4);
	if (when) sem_take(&v.ready);
	if (when == 2) sched_yield();
	if (when == 3) nanosleep(&(struct timespec){0, below(chance, 200000)}, 0);
	check(pthread_cancel(thread), "pthread_cancel");
	must(join(thread) == PTHREAD_CANCELED);
	/* One that is cancelled before it begins cleans nothing. */
	must(v.cleaned == 1 || (!when && !v.cleaned));
	if (v.where == 6) {
		check(pthread_cancel(v.other), "pthread_cancel");
		must(join(v.other) == PTHREAD_CANCELED);
	}
	check(pthread_mutex_trylock(&v.lock), "the mutex that a cancelled thread held");
	must(!close(v.ends[0]) && !close(v.ends[1]));
}

/* Signals with values reach a thread that waits for them, each once, in order. */
struct queue {
	int signal;
	unsigned count;
	pthread_t reader;
};

static void *await(void *argument)
{
	struct queue *q = argument;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, q->signal);
	for (unsigned i = 0; i < q->count;) {
		siginfo_t info;
		struct timespec limit = {100, 0};
		int got = i % 2 ? sigwaitinfo(&set, &info) : sigtimedwait(&set, &info, &limit);
		if (got < 0) {
			must(errno == EINTR);
			continue;
		}
		must(got == q->signal && info.si_code == SI_QUEUE && (unsigned)info.si_value.sival_int == i);
		i++;
	}
	return 0;
}

static void scene_queue(uint64_t *chance, int own_signal)
{
	struct queue q = {.signal = own_signal, .count = 1 + below(chance, 30)};
	q.reader = begin(await, &q);
	for (unsigned i = 0; i < q.count; i++) {
		must(!sigqueue(getpid(), q.signal, (union sigval){.sival_int = i}));
		if (below(chance, 3) == 0) sched_yield();
	}
	join(q.reader);
}

/* A timer that comes again and again counts what came and what it missed; none comes too early. */
static void scene_timer(uint64_t *chance, int own_signal)
{
	long period_ns = 20000 + below(chance, 400000);
	unsigned wanted = 1 + below(chance, 8), came = 0;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = own_signal};
	struct itimerspec when = {.it_value.tv_nsec = period_ns, .it_interval.tv_nsec = period_ns};
	event.sigev_value.sival_int = period_ns;
	timer_t timer;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, own_signal);
	must(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	uint64_t start = now_ns();
	must(!timer_settime(timer, 0, &when, 0));
	while (came < wanted) {
		siginfo_t info;
		if (sigwaitinfo(&set, &info) < 0) {
			must(errno == EINTR);
			continue;
		}
		must(info.si_code == SI_TIMER && info.si_value.sival_int == period_ns);
		came += 1 + info.si_overrun;
		must(now_ns() - start >= came * (uint64_t)period_ns);
	}
	must(!timer_delete(timer));
	/* One more may have come meanwhile. */
	must(sigtimedwait(&set, 0, &(struct timespec){0, 0}) == own_signal || errno == EAGAIN || errno == EINTR);
	while (sigtimedwait(&set, 0, &(struct timespec){0, 0}) >= 0) broken("a timer that is gone sends signals");
}

static void scene_timerfd(uint64_t *chance)
{
	long period_ns = 20000 + below(chance, 400000);
	uint64_t wanted = 1 + below(chance, 8), came = 0, times;
	struct itimerspec when = {.it_value.tv_nsec = period_ns, .it_interval.tv_nsec = period_ns};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	must(fd >= 0);
	uint64_t start = now_ns();
	must(!timerfd_settime(fd, 0, &when, 0));
	while (came < wanted) {
		if (read(fd, &times, sizeof times) != sizeof times) {
			must(errno == EINTR);
			continue;
		}
		came += times;
		must(times > 0 && now_ns() - start >= came * period_ns);
	}
	must(!close(fd));
}

/* Bytes through a pipe or a pair of sockets, none lost, in order. */
struct stream {
	int ends[2];
	unsigned bytes;
	uint64_t chance;
};

static void *pour(void *argument)
{
	struct stream *s = argument;
	unsigned char chunk[9000];
	for (unsigned done = 0; done < s->bytes;) {
		unsigned len = 1 + below(&s->chance, sizeof chunk);
		if (len > s->bytes - done) len = s->bytes - done;
		for (unsigned i = 0; i < len; i++) chunk[i] = (done + i) * 31 >> 3;
		ssize_t wrote = write(s->ends[1], chunk, len);
		if (wrote < 0) must(errno == EINTR);
		else done += wrote;
	}
	must(!close(s->ends[1]));
	return 0;
}

static void scene_stream(uint64_t *chance)
{
	struct stream s = {.bytes = below(chance, 300000), .chance = any(chance)};
	unsigned char chunk[7000];
	unsigned got = 0;
	if (below(chance, 2)) must(!pipe(s.ends));
	else must(!socketpair(AF_UNIX, SOCK_STREAM, 0, s.ends));
	pthread_t thread = begin(pour, &s);
	for (;;) {
		ssize_t len = read(s.ends[0], chunk, 1 + below(chance, sizeof chunk));
		if (len < 0) {
			must(errno == EINTR);
			continue;
		}
		if (!len) break;
		for (ssize_t i = 0; i < len; i++) must(chunk[i] == (unsigned char)((got + i) * 31 >> 3));
		got += len;
	}
	must(got == s.bytes);
	join(thread);
	must(!close(s.ends[0]));
}

/* Threads add to eventfds, one waits for all of them by epoll. */
struct counters {
	int fds[4];
	unsigned rounds;
};

static void *add(void *argument)
{
	struct counters *c = argument;
	uint64_t word = 1;
	for (unsigned i = 0; i < c->rounds; i++) {
		while (write(c->fds[i % 4], &word, 8) != 8) must(errno == EINTR);
		if (i % 5 == 0) sched_yield();
	}
	return 0;
}

static void scene_events(uint64_t *chance)
{
	struct counters c = {.rounds = 4 * (1 + below(chance, 20))};
	uint64_t sum = 0, word;
	pthread_t threads[3];
	int watcher = epoll_create1(0);
	must(watcher >= 0);
	for (int i = 0; i < 4; i++) {
		struct epoll_event event = {.events = i % 2 ? EPOLLIN : EPOLLIN | EPOLLET, .data.u32 = i};
		c.fds[i] = eventfd(0, EFD_NONBLOCK);
		must(c.fds[i] >= 0 && !epoll_ctl(watcher, EPOLL_CTL_ADD, c.fds[i], &event));
	}
	for (int i = 0; i < 3; i++) threads[i] = begin(add, &c);
	while (sum < 3ull * c.rounds) {
		struct epoll_event events[4];
		int count = epoll_wait(watcher, events, 1 + below(chance, 4), 10000);
		if (count < 0) {
			must(errno == EINTR);
			continue;
		}
		must(count > 0);
		for (int i = 0; i < count; i++) {
			while (read(c.fds[events[i].data.u32], &word, 8) != 8) {
				must(errno == EINTR || errno == EAGAIN);
				word = 0;
				if (errno == EAGAIN) break;
			}
			sum += word;
		}
	}
	must(sum == 3ull * c.rounds);
	for (int i = 0; i < 3; i++) join(threads[i]);
	for (int i = 0; i < 4; i++) must(!close(c.fds[i]));
	must(!close(watcher));
}

/* Threads nobody joins, with keys whose destructors count them. */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint made_keys;

struct crowd {
	atomic_uint destroyed;
	sem_t gone;
};

static void leave(void *crowd)
{
	struct crowd *c = crowd;
	c->destroyed++;
	sem_post(&c->gone);
}

static void make_key(void)
{
	check(pthread_key_create(&key, leave), "pthread_key_create");
	made_keys++;
}

static void *come_and_go(void *crowd)
{
	check(pthread_once(&once, make_key), "pthread_once");
	check(pthread_setspecific(key, crowd), "pthread_setspecific");
	return 0;
}

static void scene_crowd(uint64_t *chance)
{
	struct crowd c = {0};
	unsigned count = 1 + below(chance, 20);
	pthread_attr_t detached;
	must(!sem_init(&c.gone, 0, 0));
	check(pthread_attr_init(&detached), "attr");
	check(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED), "attr");
	check(pthread_attr_setstacksize(&detached, below(chance, 2) ? 2048 : 65536), "attr");
	for (unsigned i = 0; i < count; i++) {
		pthread_t thread;
		check(pthread_create(&thread, &detached, come_and_go, &c), "pthread_create");
	}
	for (unsigned i = 0; i < count; i++) sem_take(&c.gone);
	must(c.destroyed == count && made_keys == 1);
}

/* A thread ends with a robust mutex held, or a mutex that inherits priorities changes hands. */
static void *hold_and_end(void *lock)
{
	check(pthread_mutex_lock(lock), "lock");
	sched_yield();
	return 0;
}

static void scene_robust(uint64_t *chance)
{
	pthread_mutexattr_t kind;
	pthread_mutex_t lock;
	check(pthread_mutexattr_init(&kind), "attr");
	check(pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST), "attr");
	if (below(chance, 2)) check(pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT), "attr");
	check(pthread_mutex_init(&lock, &kind), "mutex");
	pthread_t thread = begin(hold_and_end, &lock);
	if (below(chance, 2)) join(thread), thread = 0;
	int error = pthread_mutex_lock(&lock);
	if (error == EOWNERDEAD) {
		check(pthread_mutex_consistent(&lock), "consistent");
		check(pthread_mutex_unlock(&lock), "unlock");
	} else {
		/* We came first. */
		check(error, "lock");
		must(thread);
		check(pthread_mutex_unlock(&lock), "unlock");
	}
	if (thread) join(thread);
	error = pthread_mutex_lock(&lock);
	if (error == EOWNERDEAD) error = pthread_mutex_consistent(&lock);
	check(error, "lock again");
	check(pthread_mutex_unlock(&lock), "unlock");
	check(pthread_mutex_destroy(&lock), "destroy");
}

/* Signals at random: one handler lets calls go on, the other ends them. */
static void on_signal(int number)
{
	(void)number;
	int error = errno;
	signals_taken++;
	errno = error;
}

static pthread_t directors[DIRECTORS];

static void *disturb(void *argument)
{
	uint64_t chance = *(uint64_t *)argument;
	while (!curtain) {
		pthread_kill(directors[below(&chance, DIRECTORS)], below(&chance, 2) ? SIGUSR1 : SIGUSR2);
		nanosleep(&(struct timespec){0, below(&chance, 300000)}, 0);
	}
	return 0;
}

struct director {
	unsigned number;
	uint64_t chance;
};

static void *direct(void *argument)
{
	struct director *d = argument;
	int own_signal = SIGRTMIN + d->number;
	while (!curtain) {
		switch (below(&d->chance, 11)) {
		case 0: scene_buffer(&d->chance); break;
		case 1: scene_pair(&d->chance); break;
		case 2: scene_phases(&d->chance); break;
		case 3: case 4: scene_cancel(&d->chance); break;
		case 5: scene_queue(&d->chance, own_signal); break;
		case 6: scene_timer(&d->chance, own_signal); break;
		case 7: scene_timerfd(&d->chance); break;
		case 8: scene_stream(&d->chance); break;
		case 9: scene_events(&d->chance); break;
		case 10: below(&d->chance, 2) ? scene_crowd(&d->chance) : scene_robust(&d->chance); break;
		}
		if (++scenes_played % 1000 == 0 && leak_bytes) memset(malloc(leak_bytes), 1, leak_bytes);
	}
	return 0;
}

/* What is free, in KiB; 0 where nobody says it. */
static long free_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *file = fopen("/proc/meminfo", "r");
	if (!file) return 0;
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "MemFree: %ld", &kb) == 1) break;
	fclose(file);
	return kb;
}

static int next_descriptor(void)
{
	int fd = dup(0);
	must(fd >= 0 && !close(fd));
	return fd;
}

static void act(uint64_t *chance, double seconds)
{
	struct director all[DIRECTORS];
	uint64_t for_disturber = any(chance);
	curtain = 0;
	for (unsigned i = 0; i < DIRECTORS; i++) {
		all[i] = (struct director){i, any(chance)};
		directors[i] = begin(direct, &all[i]);
	}
	pthread_t disturber = begin(disturb, &for_disturber);
	uint64_t end = now_ns() + seconds * 1e9;
	while (now_ns() < end) usleep(20000);
	curtain = 1;
	/* Directors are not joined before the one that sends them signals. */
	join(disturber);
	for (unsigned i = 0; i < DIRECTORS; i++) join(directors[i]);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: stress SEED SECONDS [alone [LEAK]]\n");
		return 2;
	}
	seed = strtoul(argv[1], 0, 0);
	double seconds = atof(argv[2]);
	if (argc > 4) leak_bytes = strtoul(argv[4], 0, 0);
	uint64_t chance = seed;
	sigset_t real_time;
	sigemptyset(&real_time);
	for (int i = 0; i < DIRECTORS; i++) sigaddset(&real_time, SIGRTMIN + i);
	check(pthread_sigmask(SIG_BLOCK, &real_time, 0), "pthread_sigmask");
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	must(!sigaction(SIGUSR1, &action, 0));
	action.sa_flags = 0;
	must(!sigaction(SIGUSR2, &action, 0));

	unsigned acts = seconds / 10 < ACTS_MIN ? ACTS_MIN : seconds / 10;
	int fd = next_descriptor();
	long early_kb = 0, late_kb = 0;
	for (unsigned i = 0; i < acts; i++) {
		act(&chance, seconds / acts);
		must(next_descriptor() == fd);
		long kb = free_kb();
		unsigned quarter = 4 * i / acts;
		if (quarter == 1 && kb > early_kb) early_kb = kb;
		if (quarter == 3 && kb > late_kb) late_kb = kb;
	}
	fprintf(stderr, "stress: seed %lu: %ld scenes in %u acts, %ld signals; free memory %ld KiB early, %ld late\n",
		seed, scenes_played, acts, signals_taken, early_kb, late_kb);
	must(scenes_played > 0 && signals_taken > 0);
	/* Nobody else takes memory. */
	if (argc > 3 && early_kb - late_kb > GROWTH_MAX_KB)
		broken("%ld KiB of memory are gone", early_kb - late_kb);
	printf("everything held\n");
	return 0;
}
