/* A thread that waits in one of these calls can be cancelled there; close is never cut short. */
#include "waits.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/msg.h>
#include <sys/wait.h>

static int lock_fd, queue;
static pid_t child;

static void in_waitpid(void) { waitpid(child, NULL, 0); }
static void in_waitid(void) { waitid(P_PID, child, &(siginfo_t){ 0 }, WEXITED); }
static void in_wait(void) { wait(NULL); }
static void in_fcntl(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	fcntl(lock_fd, F_SETLKW, &lock);
}
static void in_lockf(void) { lockf(lock_fd, F_LOCK, 0); }
static void in_msgrcv(void) { msgrcv(queue, room, 8, 0, 0); }

/* A pending cancellation acts before close; one that comes while close waits does not cut it short,
 * or nobody could know whether the number is free. */
static int pending_fd, lingering_fd;
static volatile int close_returned;
static void *pending_in_close(void *unused)
{
	(void)unused;
	pthread_cancel(pthread_self());
	close(pending_fd);
	return 0;
}
static void *lingering_in_close(void *unused)
{
	(void)unused;
	close(lingering_fd);
	close_returned = 1;
	pthread_testcancel();
	return 0;
}
/* A connection with unsent data, whose close waits. */
static int lingering(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	struct linger linger = { 1, 1000 };
	int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	bind(server, (void *)&address, sizeof address);
	getsockname(server, (void *)&address, &length);
	listen(server, 1);
	connect(client, (void *)&address, sizeof address);
	accept(server, NULL, NULL);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	while (send(client, room, sizeof room, MSG_DONTWAIT) > 0) ;
	return client;
}

static void *run(void *call)
{
	sem_post(&started);
	((void (*)(void))call)();
	return 0;
}

static void try(const char *what, void (*call)(void), int wait_first)
{
	pthread_t t;
	void *result = NULL;
	pthread_create(&t, NULL, run, (void *)call);
	while (sem_wait(&started)) ;
	/* Let it go to sleep in the call: both orders must give the same result. */
	if (wait_first) nanosleep(&(struct timespec){ 0, 3000000 }, NULL);
	pthread_cancel(t);
	pthread_join(t, &result);
	if (result != PTHREAD_CANCELED) expectations_broken = 1;
	say("%s%s: %s", what, wait_first ? "" : ", at once", result == PTHREAD_CANCELED ? "cancelled" : "NOT CANCELLED");
}

int main(void)
{
	begin_waits();
	make_file("locked", "x");
	lock_fd = open("locked", O_RDWR);
	queue = msgget(IPC_PRIVATE, 0600);
	int locked[2];
	char byte;
	pipe(locked);
	child = fork();
	if (!child) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		fcntl(lock_fd, F_SETLKW, &lock);
		write(locked[1], "x", 1);
		_exit(pause());
	}
	read(locked[0], &byte, 1);
	pthread_create(&sleeper, NULL, forever, NULL);

	static const struct { const char *name; void (*call)(void); } calls[] = {
#define POINT(name) { #name, in_##name }
		POINT(read), POINT(readv), POINT(write), POINT(writev), POINT(open), POINT(openat), POINT(creat),
		POINT(accept), POINT(accept4), POINT(recv), POINT(recvmsg), POINT(send), POINT(sendmsg), POINT(poll), POINT(ppoll),
		POINT(select), POINT(pselect), POINT(epoll_wait), POINT(nanosleep), POINT(clock_nanosleep), POINT(sleep),
		POINT(usleep), POINT(pause), POINT(sigsuspend), POINT(sigwait), POINT(sigtimedwait), POINT(waitpid), POINT(waitid),
		POINT(wait), POINT(sem_wait), POINT(sem_timedwait), POINT(cond_wait), POINT(cond_timedwait), POINT(join),
		POINT(fcntl), POINT(lockf), POINT(msgrcv),
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		try(calls[i].name, calls[i].call, 1);
		try(calls[i].name, calls[i].call, 0);
	}
	pthread_t t;
	void *result;
	pending_fd = dup(0);
	pthread_create(&t, NULL, pending_in_close, NULL);
	pthread_join(t, &result);
	CHECK("close with a pending cancellation: cancelled", result == PTHREAD_CANCELED);
	GIVES("before it closed", fcntl(pending_fd, F_GETFD), 0);
	lingering_fd = lingering();
	pthread_create(&t, NULL, lingering_in_close, NULL);
	while (fcntl(lingering_fd, F_GETFD) == 0) sched_yield();
	pthread_cancel(t);
	pthread_join(t, &result);
	CHECK("close that waits: not cut short", close_returned);
	CHECK("cancelled after it", result == PTHREAD_CANCELED);
	CODE("the mutex is free", pthread_mutex_trylock(&mutex), 0);
	pthread_cancel(sleeper);
	pthread_join(sleeper, NULL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	msgctl(queue, IPC_RMID, NULL);
	return finish();
}
