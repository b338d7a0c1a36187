/* A thread that waits in one of these calls can be cancelled there; close is never cut short. */
#include "expect.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static int empty[2], full[2], pair[2], full_pair[2], listener, ep, lock_fd, queue;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem, started;
static pid_t child;
static pthread_t sleeper;
static char room[65536];
static sigset_t usr1;
static struct timespec long_time = { 1000, 0 }, far;

static void in_read(void) { read(empty[0], room, 1); }
static void in_readv(void) { readv(empty[0], &(struct iovec){ room, 1 }, 1); }
static void in_write(void) { write(full[1], room, 1); }
static void in_writev(void) { writev(full[1], &(struct iovec){ room, 1 }, 1); }
static void in_open(void) { open("fifo", O_RDONLY); }
static void in_openat(void) { openat(AT_FDCWD, "fifo", O_RDONLY); }
static void in_creat(void) { creat("fifo", 0600); }
static void in_accept(void) { accept(listener, NULL, NULL); }
static void in_accept4(void) { accept4(listener, NULL, NULL, 0); }
static void in_recv(void) { recv(pair[0], room, 1, 0); }
static void in_recvmsg(void) { recvmsg(pair[0], &(struct msghdr){ .msg_iov = &(struct iovec){ room, 1 }, .msg_iovlen = 1 }, 0); }
static void in_send(void) { send(full_pair[0], room, 1, 0); }
static void in_sendmsg(void) { sendmsg(full_pair[0], &(struct msghdr){ .msg_iov = &(struct iovec){ room, 1 }, .msg_iovlen = 1 }, 0); }
static void in_poll(void) { poll(&(struct pollfd){ empty[0], POLLIN, 0 }, 1, -1); }
static void in_ppoll(void) { ppoll(&(struct pollfd){ empty[0], POLLIN, 0 }, 1, NULL, NULL); }
static void in_select(void)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(empty[0], &set);
	select(empty[0] + 1, &set, NULL, NULL, NULL);
}
static void in_pselect(void) { pselect(0, NULL, NULL, NULL, &long_time, NULL); }
static void in_epoll_wait(void) { epoll_wait(ep, &(struct epoll_event){ 0 }, 1, -1); }
static void in_nanosleep(void) { nanosleep(&long_time, NULL); }
static void in_clock_nanosleep(void) { clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, NULL); }
static void in_sleep(void) { sleep(1000); }
static void in_usleep(void) { usleep(1000000000); }
static void in_pause(void) { pause(); }
static void in_sigsuspend(void) { sigsuspend(&(sigset_t){ 0 }); }
static void in_sigwait(void) { sigwait(&usr1, &(int){ 0 }); }
static void in_sigtimedwait(void) { sigtimedwait(&usr1, NULL, &long_time); }
static void in_waitpid(void) { waitpid(child, NULL, 0); }
static void in_waitid(void) { waitid(P_PID, child, &(siginfo_t){ 0 }, WEXITED); }
static void in_wait(void) { wait(NULL); }
static void in_sem_wait(void) { sem_wait(&sem); }
static void in_sem_timedwait(void) { sem_timedwait(&sem, &far); }
static void unlock(void *which) { pthread_mutex_unlock(which); }
static void in_cond_wait(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;) pthread_cond_wait(&cond, &mutex);
	pthread_cleanup_pop(1);
}
static void in_cond_timedwait(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;) pthread_cond_timedwait(&cond, &mutex, &far);
	pthread_cleanup_pop(1);
}
static void in_join(void) { pthread_join(sleeper, NULL); }
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
static void *forever(void *unused) { (void)unused; for (;;) pause(); }

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
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "listener" };
	pipe(empty);
	pipe2(full, O_NONBLOCK);
	write(full[1], room, sizeof room);
	fcntl(full[1], F_SETFL, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	socketpair(AF_UNIX, SOCK_STREAM, 0, full_pair);
	while (send(full_pair[0], room, sizeof room, MSG_DONTWAIT) > 0) ;
	while (send(full_pair[0], room, 1, MSG_DONTWAIT) > 0) ;
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&name, sizeof name);
	listen(listener, 1);
	mkfifo("fifo", 0600);
	make_file("locked", "x");
	lock_fd = open("locked", O_RDWR);
	ep = epoll_create1(0);
	queue = msgget(IPC_PRIVATE, 0600);
	sem_init(&sem, 0, 0);
	sem_init(&started, 0, 0);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	clock_gettime(CLOCK_REALTIME, &far);
	far.tv_sec += 1000;
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
