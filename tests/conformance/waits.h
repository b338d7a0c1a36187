/* Calls that wait and that nobody ends, but by cancellation; for programs that cancel threads in them.
 * begin_waits() first. */
#ifndef WAITS_H
#define WAITS_H

#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

static int empty[2], full[2], pair[2], full_pair[2], listener, ep;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem, started;
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

/* What they wait for. SIGUSR1 is blocked afterwards. */
static void begin_waits(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "listener" };
	pipe(empty);
	pipe2(full, O_NONBLOCK);
	while (write(full[1], room, sizeof room) > 0) ;
	fcntl(full[1], F_SETFL, 0);
	mkfifo("fifo", 0600);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	socketpair(AF_UNIX, SOCK_STREAM, 0, full_pair);
	while (send(full_pair[0], room, sizeof room, MSG_DONTWAIT) > 0) ;
	while (send(full_pair[0], room, 1, MSG_DONTWAIT) > 0) ;
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&name, sizeof name);
	listen(listener, 1);
	ep = epoll_create1(0);
	sem_init(&sem, 0, 0);
	sem_init(&started, 0, 0);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	clock_gettime(CLOCK_REALTIME, &far);
	far.tv_sec += 1000;
}

/* The thread that one of them joins. */
static void *forever(void *unused) { (void)unused; for (;;) pause(); }

#endif
