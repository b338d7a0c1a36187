// flags: --net -pthread
// environment: MUSLIN_NET_MAC=02:00:00:00:00:01
// environment: MUSLIN_IPV4=10.0.0.2/24
// environment: MUSLIN_IPV6=none
/* A thread that follows and leaves its wait by a jump, or is cancelled there, follows no longer: others move frames
 * themselves where they wait. */
#include "device.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

/* Who waits for more than the runtime looks at follows. */
#define MANY 30

static int fd, set;
static sigjmp_buf out;
static volatile int number;

static void *follow(void *unused)
{
	struct pollfd fds[MANY];
	for (int i = 0; i < MANY; i++) fds[i] = (struct pollfd){ i ? -1 : fd, POLLIN, 0 };
	poll(fds, MANY, -1);
	return unused;
}

/* The call in which a thread sleeps. */
static int call_of(int thread)
{
	char name[64], text[16] = "";
	snprintf(name, sizeof name, "/proc/self/task/%d/syscall", thread);
	int file = open(name, O_RDONLY);
	read(file, text, sizeof text - 1);
	close(file);
	return *text >= '0' && *text <= '9' ? atoi(text) : -1;
}

static void await(int thread, int call)
{
	while (call_of(thread) != call) usleep(1000);
}

/* Looks how the first thread waits, and ends its wait. */
static void *look(void *unused)
{
	int call;
	do {
		usleep(1000);
		call = call_of(getpid());
	} while (call != SYS_ppoll && call != SYS_epoll_wait && call != SYS_epoll_pwait);
	number = call;
	send_frame(7, 0);
	return unused;
}

static int leads(void)
{
	pthread_t thread;
	struct epoll_event event;
	unsigned content;
	GIVES(pthread_create(&thread, NULL, look, NULL), 0);
	GIVES(epoll_wait(set, &event, 1, -1), 1);
	GIVES(pthread_join(thread, NULL), 0);
	GIVES(recv(fd, &content, sizeof content, 0), sizeof content);
	return number == SYS_ppoll;
}

static void jump(int signal)
{
	siglongjmp(out, signal);
}

static volatile int follower;

static void *follow_and_tell(void *unused)
{
	follower = syscall(SYS_gettid);
	return follow(unused);
}

static void *interrupt(void *first)
{
	await(getpid(), SYS_poll);
	pthread_kill(*(pthread_t *)first, SIGUSR1);
	return NULL;
}

int main(int argc, char **argv)
{
	(void)argc;
	begin(argv);
	fd = listener(7);
	struct epoll_event event = { .events = EPOLLIN };
	set = epoll_create1(0);
	GIVES(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	CHECK(leads());

	pthread_t thread, me = pthread_self();
	GIVES(pthread_create(&thread, NULL, follow_and_tell, NULL), 0);
	while (!follower) usleep(1000);
	await(follower, SYS_poll);
	CHECK(!leads());
	GIVES(pthread_cancel(thread), 0);
	GIVES(pthread_join(thread, NULL), 0);
	CHECK(leads());

	signal(SIGUSR1, jump);
	GIVES(pthread_create(&thread, NULL, interrupt, &me), 0);
	if (!sigsetjmp(out, 1)) follow(NULL);
	GIVES(pthread_join(thread, NULL), 0);
	CHECK(leads());
	return finish();
}
