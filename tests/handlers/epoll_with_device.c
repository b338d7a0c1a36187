// flags: --net -pthread
// environment: MUSLIN_NET_MAC=02:00:00:00:00:01
// environment: MUSLIN_IPV4=10.0.0.2/24
// environment: MUSLIN_IPV6=none
/* A thread that waits for events moves frames meanwhile: its waits are those of Linux all the same. The cable's
 * other end is this program's, too. */
#include "device.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define FRAMES 200
#define FEW 20
#define FIRST 7
#define SECOND 8

static int told[2];
static volatile int is_over;
static pthread_t waiting;

static int set_of(int fd)
{
	int set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	GIVES(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	return set;
}

static int one_event(int set, int timeout_ms)
{
	struct epoll_event events[8];
	return epoll_wait(set, events, 8, timeout_ms);
}

/* Takes so many datagrams, in their order, and says so of each. */
static void take(int set, int fd, int count)
{
	for (int i = 0; i < count; i++) {
		unsigned number = -1;
		GIVES(one_event(set, -1), 1);
		GIVES(recv(fd, &number, sizeof number, 0), sizeof number);
		CHECK(number == (unsigned)i);
		GIVES(write(told[1], "", 1), 1);
	}
}

static void *give(void *ports)
{
	for (int i = 0; i < (ports ? FEW : FRAMES); i++) {
		char byte;
		send_frame(FIRST, i);
		if (ports) send_frame(SECOND, i);
		GIVES(read(told[0], &byte, 1), 1);
		if (ports) GIVES(read(told[0], &byte, 1), 1);
	}
	return NULL;
}

static void *take_second(void *fd)
{
	int set = set_of((int)(intptr_t)fd);
	take(set, (int)(intptr_t)fd, FEW);
	close(set);
	return NULL;
}

static void *raise_event(void *fd)
{
	sleep_ms(20);
	eventfd_write((int)(intptr_t)fd, 1);
	return NULL;
}

static void nothing(int signal) { (void)signal; }

static void *interrupt(void *unused)
{
	while (!is_over) {
		pthread_kill(waiting, SIGUSR1);
		sleep_ms(5);
	}
	return unused;
}

static void *wait_for_ever(void *set)
{
	one_event((int)(intptr_t)set, -1);
	return NULL;
}

static void with_thread(void *(*other)(void *), void *what, void (*here)(int, int), int set, int fd)
{
	pthread_t thread;
	GIVES(pthread_create(&thread, NULL, other, what), 0);
	here(set, fd);
	is_over = 1;
	GIVES(pthread_join(thread, NULL), 0);
	is_over = 0;
}

static void take_many(int set, int fd) { take(set, fd, FRAMES); }
static void take_few(int set, int fd) { take(set, fd, FEW); }
static void is_woken(int set, int fd) { (void)fd; GIVES(one_event(set, -1), 1); }
static void is_interrupted(int set, int fd) { (void)fd; FAILS(one_event(set, -1), EINTR); }

static void is_let_in(int set, int fd)
{
	(void)fd;
	struct epoll_event event;
	sigset_t none;
	sigemptyset(&none);
	FAILS(epoll_pwait(set, &event, 1, -1, &none), EINTR);
}

/* The runtime's thread stands still, and frames come all the same. */
static void without_other_thread(int set, int fd)
{
	struct held held = hold_other_thread();
	with_thread(give, NULL, take_many, set, fd);
	let_go(held);
}

int main(int count, char **arguments)
{
	(void)count;
	begin(arguments);
	GIVES(pipe(told), 0);
	waiting = pthread_self();
	int first = listener(FIRST), second = listener(SECOND), set = set_of(first);
	struct epoll_event event;

	GIVES(one_event(set, 0), 0);
	GIVES(one_event(set, 30), 0);
	FAILS(one_event(told[0], 10000), EINVAL);
	FAILS(one_event(first, 10000), EINVAL);
	FAILS(one_event(-1, 10000), EBADF);
	FAILS(epoll_wait(set, &event, 0, 10000), EINVAL);

	without_other_thread(set, first);

	int woken = eventfd(0, 0), other = set_of(woken);
	with_thread(raise_event, (void *)(intptr_t)woken, is_woken, other, woken);

	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	GIVES(sigaction(SIGUSR1, &action, NULL), 0);
	with_thread(interrupt, NULL, is_interrupted, set, first);
	sigset_t held;
	sigemptyset(&held);
	sigaddset(&held, SIGUSR1);
	GIVES(pthread_sigmask(SIG_BLOCK, &held, NULL), 0);
	with_thread(interrupt, NULL, is_let_in, set, first);

	/* Two threads wait. */
	pthread_t thread;
	GIVES(pthread_create(&thread, NULL, take_second, (void *)(intptr_t)second), 0);
	with_thread(give, told, take_few, set, first);
	GIVES(pthread_join(thread, NULL), 0);

	/* Whoever moved frames is gone in the middle of it. */
	void *result;
	GIVES(pthread_create(&thread, NULL, wait_for_ever, (void *)(intptr_t)set), 0);
	sleep_ms(20);
	GIVES(pthread_cancel(thread), 0);
	GIVES(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	with_thread(give, NULL, take_many, set, first);
	return finish();
}
