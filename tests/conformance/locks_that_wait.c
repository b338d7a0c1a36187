/* Locks of files that threads wait for: flock, and those of open file descriptions. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>

static int fds[4];
static int order[4], taken;

static int range(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
	return fcntl(fd, command, &lock);
}
static void *whole(void *index)
{
	int result = flock(fds[(long)index], LOCK_EX);
	order[__atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED)] = (int)(long)index;
	usleep(1000);
	flock(fds[(long)index], LOCK_UN);
	return (void *)(long)result;
}
static void *shared(void *index) { return (void *)(long)flock(fds[(long)index], LOCK_SH); }
static void *part(void *index)
{
	int result = range(fds[(long)index], F_OFD_SETLKW, F_WRLCK, 0, 100);
	order[__atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED)] = (int)(long)index;
	return (void *)(long)result;
}
static void *other_part(void *index) { return (void *)(long)range(fds[(long)index], F_OFD_SETLKW, F_WRLCK, 200, 100); }
static volatile int signals;
static void count(int number) { (void)number; signals++; }
static pthread_t main_thread;
static void *signal_later(void *unused)
{
	(void)unused;
	usleep(20000);
	pthread_kill(main_thread, SIGUSR1);
	return 0;
}

int main(void)
{
	pthread_t t[4];
	void *result;
	make_file("file", "to be locked");
	for (int i = 0; i < 4; i++) fds[i] = open("file", O_RDWR);
	main_thread = pthread_self();

	GIVES("flock", flock(fds[0], LOCK_EX), 0);
	for (long i = 1; i < 4; i++) pthread_create(&t[i], NULL, whole, (void *)i);
	usleep(30000);
	GIVES("nobody else has it", taken, 0);
	GIVES("given back", flock(fds[0], LOCK_UN), 0);
	for (int i = 1; i < 4; i++) pthread_join(t[i], &result), say("taken in turn: %ld", (long)result);
	GIVES("by all three", taken, 3);

	flock(fds[0], LOCK_EX);
	for (long i = 1; i < 3; i++) pthread_create(&t[i], NULL, shared, (void *)i);
	usleep(20000);
	GIVES("to share it", flock(fds[0], LOCK_SH), 0);
	for (int i = 1; i < 3; i++) pthread_join(t[i], &result), say("shared: %ld", (long)result);
	FAILS("not alone", flock(fds[3], LOCK_EX | LOCK_NB), EAGAIN);
	flock(fds[0], LOCK_UN);
	pthread_create(&t[3], NULL, whole, (void *)3);
	usleep(20000);
	flock(fds[1], LOCK_UN);
	close(fds[2]);
	pthread_join(t[3], &result);
	GIVES("when the last one closes", (long)result, 0);
	fds[2] = open("file", O_RDWR);

	taken = 0;
	GIVES("a range", range(fds[0], F_OFD_SETLK, F_WRLCK, 50, 100), 0);
	pthread_create(&t[1], NULL, part, (void *)1);
	usleep(20000);
	GIVES("a part of it is given back", range(fds[0], F_OFD_SETLK, F_UNLCK, 100, 50), 0);
	usleep(20000);
	GIVES("is not enough", taken, 0);
	GIVES("the rest", range(fds[0], F_OFD_SETLK, F_RDLCK, 50, 50), 0);
	usleep(20000);
	GIVES("to read is not enough", taken, 0);
	GIVES("nothing is left", range(fds[0], F_OFD_SETLK, F_UNLCK, 0, 0), 0);
	pthread_join(t[1], &result);
	GIVES("is", (long)result, 0);
	FAILS("now it is another's", range(fds[0], F_OFD_SETLK, F_RDLCK, 0, 1), EAGAIN);
	pthread_create(&t[2], NULL, part, (void *)2);
	usleep(20000);
	close(fds[1]);
	pthread_join(t[2], &result);
	GIVES("closed is given back", (long)result, 0);
	fds[1] = open("file", O_RDWR);

	/* Locks of descriptions know no deadlock: they wait until a signal comes. */
	range(fds[0], F_OFD_SETLK, F_WRLCK, 200, 100);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = count }, NULL);
	pthread_create(&t[3], NULL, signal_later, NULL);
	FAILS("a lock that a signal interrupts", range(fds[1], F_OFD_SETLKW, F_WRLCK, 200, 1), EINTR);
	pthread_join(t[3], NULL);
	pthread_create(&t[3], NULL, signal_later, NULL);
	flock(fds[0], LOCK_EX);
	FAILS("and one of the whole", flock(fds[1], LOCK_EX), EINTR);
	pthread_join(t[3], NULL);
	GIVES("signals", signals, 2);
	pthread_create(&t[1], NULL, other_part, (void *)1);
	usleep(20000);
	close(fds[0]);
	pthread_join(t[1], &result);
	GIVES("taken at last", (long)result, 0);

	/* The process's own never wait for one another, but for a description's. */
	GIVES("the process's", range(fds[2], F_SETLKW, F_WRLCK, 500, 10), 0);
	GIVES("again", range(fds[3], F_SETLKW, F_WRLCK, 505, 10), 0);
	return finish();
}
