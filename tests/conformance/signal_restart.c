/* EINTR and SA_RESTART, call by call. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

static int p[2];
static volatile int count;
/* Each signal makes the reading possible, so that a restarted call ends. */
static void write_one(int number) { (void)number; count++; write(p[1], "x", 1); }
static void only_count(int number) { (void)number; count++; }

static void install(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 20000 } }, NULL);
}
static void *kill_later(void *thread)
{
	usleep(20000);
	pthread_kill(*(pthread_t *)thread, SIGALRM);
	return 0;
}

int main(void)
{
	char byte;
	GIVES("pipe", pipe(p), 0);
	install(only_count, 0);
	FAILS("read without SA_RESTART", read(p[0], &byte, 1), EINTR);
	install(write_one, SA_RESTART);
	GIVES("read with SA_RESTART", read(p[0], &byte, 1), 1);
	GIVES("signals", count, 2);

	int pair[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	install(only_count, 0);
	FAILS("recv without SA_RESTART", recv(pair[0], &byte, 1, 0), EINTR);
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "listener" };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&name, sizeof name);
	listen(listener, 1);
	install(only_count, 0);
	FAILS("accept without SA_RESTART", accept(listener, NULL, NULL), EINTR);
	struct timeval timeout = { 5, 0 };
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	install(only_count, SA_RESTART);
	FAILS("recv with a timeout, in spite of SA_RESTART", recv(pair[0], &byte, 1, 0), EINTR);

	mkfifo("fifo", 0600);
	install(only_count, 0);
	FAILS("open of a fifo", open("fifo", O_RDONLY), EINTR);

	pid_t child = fork();
	if (!child) _exit(pause());
	install(only_count, 0);
	FAILS("waitpid", waitpid(child, NULL, 0), EINTR);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);

	make_file("file", "x");
	int one = open("file", O_RDWR), two = open("file", O_RDWR);
	flock(one, LOCK_EX);
	install(only_count, 0);
	FAILS("flock", flock(two, LOCK_EX), EINTR);

	sem_t sem;
	sem_init(&sem, 0, 0);
	install(only_count, 0);
	FAILS("sem_wait", sem_wait(&sem), EINTR);
	struct timespec rest = { 0, 0 };
	install(only_count, SA_RESTART);
	FAILS("nanosleep, in spite of SA_RESTART", nanosleep(&(struct timespec){ 100, 0 }, &rest), EINTR);
	CHECK("the rest is given", rest.tv_sec >= 98 && rest.tv_sec < 100);
	install(only_count, SA_RESTART);
	CHECK("sleep gives the rest", sleep(100) >= 98);

	/* A mutex and a condition never fail with EINTR. */
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec until;
	install(only_count, 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50000000;
	if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
	pthread_mutex_lock(&mutex);
	CODE("pthread_cond_timedwait goes on", pthread_cond_timedwait(&cond, &mutex, &until), ETIMEDOUT);

	install(only_count, 0);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
	pthread_t self = pthread_self(), t;
	pthread_create(&t, NULL, kill_later, &self);
	FAILS("read, a signal from a thread", read(p[0], &byte, 1), EINTR);
	pthread_join(t, NULL);

	install(only_count, 0);
	siginterrupt(SIGALRM, 0);
	struct sigaction now;
	sigaction(SIGALRM, NULL, &now);
	CHECK("siginterrupt 0 sets SA_RESTART", now.sa_flags & SA_RESTART);
	pause();
	say("signals: %d", count);
	return finish();
}
