// flags: --net -pthread
// environment: MUSLIN_NET_MAC=02:00:00:00:00:01
// environment: MUSLIN_IPV4=10.0.0.2/24
// environment: MUSLIN_IPV6=none
/* A thread that waits by poll, select or in recv moves frames meanwhile: its waits are those of Linux all the same.
 * The runtime's own thread stands still. */
#include "device.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/select.h>

#define FRAMES 50
#define PORT 7

static int told[2], fd;
static volatile int is_over;
static pthread_t waiting;
static sigjmp_buf out;

static int by_poll(int timeout_ms)
{
	struct pollfd fds[2] = { { -1, POLLIN, 0 }, { fd, POLLIN, 0 } };
	int found = poll(fds, 2, timeout_ms);
	if (found == 1) CHECK(fds[1].revents == POLLIN);
	return found;
}

static int by_ppoll(int timeout_ms)
{
	struct pollfd one = { fd, POLLIN, 0 };
	struct timespec time = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	return ppoll(&one, 1, timeout_ms < 0 ? NULL : &time, NULL);
}

static int by_select(int timeout_ms)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(fd, &set);
	struct timeval time = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	int found = select(fd + 1, &set, NULL, NULL, timeout_ms < 0 ? NULL : &time);
	if (found >= 0) CHECK(!!FD_ISSET(fd, &set) == found);
	return found;
}

static int by_pselect(int timeout_ms)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(fd, &set);
	struct timespec time = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	int found = pselect(fd + 1, NULL, NULL, &set, timeout_ms < 0 ? NULL : &time, NULL);
	return found;
}

static int by_read(int timeout_ms)
{
	char byte;
	struct timeval time = { timeout_ms < 0 ? 0 : timeout_ms / 1000, timeout_ms < 0 ? 0 : timeout_ms % 1000 * 1000 };
	GIVES(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), 0);
	int found = recv(fd, &byte, 1, MSG_PEEK);
	return found == -1 && errno == EAGAIN ? 0 : found;
}

static void *give(void *unused)
{
	for (int i = 0; i < FRAMES; i++) {
		char byte;
		send_frame(PORT, i);
		GIVES(read(told[0], &byte, 1), 1);
	}
	return unused;
}

static void take(int (*wait)(int))
{
	pthread_t thread;
	GIVES(pthread_create(&thread, NULL, give, NULL), 0);
	for (int i = 0; i < FRAMES; i++) {
		unsigned number = -1;
		GIVES(wait(-1), 1);
		GIVES(recv(fd, &number, sizeof number, MSG_DONTWAIT), sizeof number);
		CHECK(number == (unsigned)i);
		GIVES(write(told[1], "", 1), 1);
	}
	GIVES(pthread_join(thread, NULL), 0);
}

/* Another thread of the program's, and no frame, has what is waited for. */
static void *send_here(void *unused)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	unsigned number = 0;
	inet_pton(AF_INET, "10.0.0.2", &here.sin_addr);
	int side = socket(AF_INET, SOCK_DGRAM, 0);
	sleep_ms(20);
	GIVES(sendto(side, &number, sizeof number, 0, (void *)&here, sizeof here), sizeof number);
	close(side);
	return unused;
}

static void take_from_here(int (*wait)(int))
{
	pthread_t thread;
	unsigned number;
	GIVES(pthread_create(&thread, NULL, send_here, NULL), 0);
	GIVES(wait(-1), 1);
	GIVES(recv(fd, &number, sizeof number, MSG_DONTWAIT), sizeof number);
	GIVES(pthread_join(thread, NULL), 0);
}

static void nothing(int signal) { (void)signal; }
static void jump(int signal) { siglongjmp(out, signal); }

static void *interrupt(void *unused)
{
	while (!is_over) {
		pthread_kill(waiting, SIGUSR1);
		sleep_ms(5);
	}
	return unused;
}

static void *interrupt_and_send(void *unused)
{
	for (int i = 0; i < 5; i++) {
		pthread_kill(waiting, SIGUSR1);
		sleep_ms(5);
	}
	return send_here(unused);
}

static void is_interrupted(int (*wait)(int), int timeout_ms)
{
	pthread_t thread;
	is_over = 0;
	GIVES(pthread_create(&thread, NULL, interrupt, NULL), 0);
	FAILS(wait(timeout_ms), EINTR);
	is_over = 1;
	GIVES(pthread_join(thread, NULL), 0);
}

static void function(void (*what)(int), int flags)
{
	struct sigaction action = { .sa_handler = what, .sa_flags = flags };
	GIVES(sigaction(SIGUSR1, &action, NULL), 0);
}

int main(int count, char **arguments)
{
	int (*const waits[])(int) = { by_poll, by_ppoll, by_select, by_read };
	(void)count;
	begin(arguments);
	GIVES(pipe(told), 0);
	waiting = pthread_self();
	fd = listener(PORT);
	GIVES(fcntl(fd, F_SETFL, 0), 0);
	struct held held = hold_other_thread();

	for (int i = 0; i < 4; i++) {
		GIVES(waits[i](30), 0);
		take(waits[i]);
		take_from_here(waits[i]);
	}
	GIVES(by_pselect(30), 0);
	GIVES(by_poll(0), 0);
	GIVES(by_select(0), 0);
	FAILS(poll(NULL, 1, 1000), EFAULT);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(told[1] + 50, &set);
	FAILS(select(told[1] + 51, &set, NULL, NULL, NULL), EBADF);
	FAILS(select(-1, NULL, NULL, NULL, NULL), EINVAL);

	/* A wait in recv goes on behind a function of a signal, unless that has it end; others always end. */
	pthread_t thread;
	function(nothing, SA_RESTART);
	for (int i = 0; i < 3; i++) is_interrupted(waits[i], -1);
	is_interrupted(by_read, 10000);
	GIVES(pthread_create(&thread, NULL, interrupt_and_send, NULL), 0);
	unsigned number;
	GIVES(by_read(-1), 1);
	GIVES(recv(fd, &number, sizeof number, MSG_DONTWAIT), sizeof number);
	GIVES(pthread_join(thread, NULL), 0);
	function(nothing, 0);
	is_interrupted(by_read, -1);

	/* Who left a wait by a jump waits again. */
	let_go(held);
	function(jump, SA_RESTART);
	is_over = 0;
	GIVES(pthread_create(&thread, NULL, interrupt, NULL), 0);
	if (!sigsetjmp(out, 1)) by_read(-1);
	function(nothing, SA_RESTART);
	is_over = 1;
	GIVES(pthread_join(thread, NULL), 0);
	take(by_read);
	return finish();
}
