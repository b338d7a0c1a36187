/* poll, ppoll, select and pselect while other threads make files ready, close them and send signals;
 * the time that is left, where it is written. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

static volatile int signals;
static void count(int number) { (void)number; signals++; }
static pthread_t main_thread;

static void *write_later(void *fd)
{
	usleep(20000);
	eventfd_write((int)(long)fd, 1);
	return 0;
}
static void *signal_later(void *unused)
{
	(void)unused;
	usleep(20000);
	pthread_kill(main_thread, SIGUSR1);
	return 0;
}
static void *poll_forever(void *fd)
{
	struct pollfd p[2] = { { (int)(long)fd, POLLIN, 0 }, { (int)(long)fd, POLLIN | POLLOUT, 0 } };
	int n = poll(p, 1, -1);
	return (void *)(long)(n * 100 + p[0].revents);
}
static void *poll_a_page(void *page)
{
	return (void *)(long)poll(page, 1, -1);
}
static void *select_forever(void *fd)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET((int)(long)fd, &set);
	int n = select((int)(long)fd + 1, &set, NULL, NULL, NULL);
	return (void *)(long)(n * 100 + FD_ISSET((int)(long)fd, &set));
}

int main(void)
{
	pthread_t t, more[6];
	void *result;
	eventfd_t value;
	int fds[3];
	main_thread = pthread_self();
	for (int i = 0; i < 3; i++) fds[i] = eventfd(0, EFD_NONBLOCK);
	struct pollfd p[4] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 }, { fds[2], POLLIN, 0 }, { fds[1], POLLIN | POLLPRI, 0 } };

	pthread_create(&t, NULL, write_later, (void *)(long)fds[1]);
	GIVES("poll, the same file twice", poll(p, 4, -1), 2);
	say("%d %d %d %d", p[0].revents, p[1].revents, p[2].revents, p[3].revents);
	pthread_join(t, NULL);
	eventfd_read(fds[1], &value);
	pthread_create(&t, NULL, write_later, (void *)(long)fds[2]);
	GIVES("poll with time", poll(p, 4, 10000), 1);
	pthread_join(t, NULL);
	eventfd_read(fds[2], &value);

	for (int i = 0; i < 6; i++) pthread_create(&more[i], NULL, i % 2 ? poll_forever : select_forever, (void *)(long)fds[0]);
	usleep(50000);
	eventfd_write(fds[0], 1);
	for (int i = 0; i < 6; i++) pthread_join(more[i], &result), say("woken with the others: %ld", (long)result);
	eventfd_read(fds[0], &value);

	/* What a poll asks for is read once, at its beginning; what it found is written to whatever is there. */
	struct pollfd *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*page = (struct pollfd){ fds[0], POLLIN, 0 };
	pthread_create(&t, NULL, poll_a_page, page);
	usleep(20000);
	CHECK("another page", mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	eventfd_write(fds[0], 1);
	pthread_join(t, &result);
	say("poll of a page that came later: %ld, %d %d %d", (long)result, page->fd, page->events, page->revents);
	*page = (struct pollfd){ fds[1], POLLIN, 7 };
	pthread_create(&t, NULL, poll_a_page, page);
	usleep(20000);
	say("nothing is written while it waits: %d", page->revents);
	munmap(page, 4096);
	eventfd_write(fds[1], 1);
	pthread_join(t, &result);
	say("poll of a page that is gone: %ld", (long)result);
	eventfd_read(fds[0], &value);
	eventfd_read(fds[1], &value);

	signal(SIGUSR1, count);
	pthread_create(&t, NULL, signal_later, NULL);
	FAILS("a signal", poll(p, 4, -1), EINTR);
	pthread_join(t, NULL);
	GIVES("came", signals, 1);

	/* The calls themselves, not libc's: what is left is written back by all but poll. */
	struct timespec left = { 20, 0 };
	pthread_create(&t, NULL, write_later, (void *)(long)fds[1]);
	GIVES("ppoll", syscall(SYS_ppoll, p, 3L, &left, NULL, 8L), 1);
	CHECK("what is left", left.tv_sec >= 10 && left.tv_sec < 20);
	pthread_join(t, NULL);
	eventfd_read(fds[1], &value);
	fd_set in;
	FD_ZERO(&in);
	FD_SET(fds[1], &in);
	left = (struct timespec){ 20, 0 };
	pthread_create(&t, NULL, write_later, (void *)(long)fds[1]);
	GIVES("pselect6", syscall(SYS_pselect6, (long)fds[1] + 1, &in, NULL, NULL, &left, NULL), 1);
	CHECK("what is left", left.tv_sec >= 10 && left.tv_sec < 20);
	pthread_join(t, NULL);
	eventfd_read(fds[1], &value);
	struct timeval small = { 20, 0 };
	FD_SET(fds[1], &in);
	pthread_create(&t, NULL, write_later, (void *)(long)fds[1]);
	GIVES("select", syscall(SYS_select, (long)fds[1] + 1, &in, NULL, NULL, &small), 1);
	CHECK("what is left", small.tv_sec >= 10 && small.tv_sec < 20);
	pthread_join(t, NULL);
	eventfd_read(fds[1], &value);
	FD_SET(fds[1], &in);
	small = (struct timeval){ 0, 5000 };
	GIVES("select to the end", syscall(SYS_select, (long)fds[1] + 1, &in, NULL, NULL, &small), 0);
	CHECK("nothing is left", small.tv_sec == 0 && small.tv_usec == 0);
	left = (struct timespec){ 0, 5000000 };
	GIVES("ppoll to the end", syscall(SYS_ppoll, p, 3L, &left, NULL, 8L), 0);
	CHECK("nothing is left", left.tv_sec == 0 && left.tv_nsec == 0);
	left = (struct timespec){ 20, 0 };
	pthread_create(&t, NULL, signal_later, NULL);
	FAILS("ppoll and a signal", syscall(SYS_ppoll, p, 3L, &left, NULL, 8L), EINTR);
	CHECK("what is left", left.tv_sec >= 10 && left.tv_sec < 20);
	pthread_join(t, NULL);
	GIVES("came", signals, 2);

	struct timespec before, after;
	clock_gettime(CLOCK_MONOTONIC, &before);
	GIVES("poll of nothing", poll(NULL, 0, 30), 0);
	GIVES("select of nothing", select(0, NULL, NULL, NULL, &(struct timeval){ 0, 30000 }), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK("slept", (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec >= 60000000);

	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	FAILS("poll of too many", syscall(SYS_poll, p, limit.rlim_cur + 1, 0L), EINVAL);
	FAILS("poll of bad memory", syscall(SYS_poll, 8L, 1L, 0L), EFAULT);
	FAILS("select of bad memory", syscall(SYS_select, 10L, 8L, 0L, 0L, 0L), EFAULT);
	return finish();
}
