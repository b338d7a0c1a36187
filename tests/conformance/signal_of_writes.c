/* SIGPIPE and SIGXFSZ: what a write sends to the thread that makes it. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

static __thread volatile int count;
static volatile int code, ours;
static void counting(int number, siginfo_t *info, void *context)
{
	(void)number; (void)context;
	count++;
	code = info->si_code;
	ours = info->si_pid == getpid();
}
static int p[2], pair[2];
static void *writer(void *unused)
{
	(void)unused;
	FAILS("a write by another thread", write(p[1], "x", 1), EPIPE);
	return (void *)(long)count;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = counting, .sa_flags = SA_SIGINFO };
	struct iovec piece = { "x", 1 };
	siginfo_t info;
	sigset_t set;
	void *result;
	pthread_t t;
	sigaction(SIGPIPE, &action, NULL);
	sigaction(SIGXFSZ, &action, NULL);
	pipe(p);
	close(p[0]);
	FAILS("write", write(p[1], "x", 1), EPIPE);
	say("handlers: %d, SI_USER: %d, from us: %d", count, code == SI_USER, ours);
	FAILS("writev", writev(p[1], &piece, 1), EPIPE);
	GIVES("handlers", count, 2);
	pthread_create(&t, NULL, writer, NULL);
	pthread_join(t, &result);
	say("handlers there: %ld, here: %d", (long)result, count);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	close(pair[0]);
	FAILS("send", send(pair[1], "x", 1, 0), EPIPE);
	GIVES("handlers", count, 3);
	FAILS("send with MSG_NOSIGNAL", send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	GIVES("handlers", count, 3);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	FAILS("while it is blocked", write(p[1], "x", 1), EPIPE);
	GIVES("handlers", count, 3);
	GIVES("it waits", sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }), SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	FAILS("while it is ignored", write(p[1], "x", 1), EPIPE);

	count = 0;
	int fd = OPENED("open", open("file", O_RDWR | O_CREAT, 0600));
	GIVES("setrlimit", setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1 << 20, 1 << 20 }), 0);
	GIVES("lseek", lseek(fd, (1 << 20) - 10, SEEK_SET), (1 << 20) - 10);
	GIVES("as much as fits", write(fd, "0123456789abc", 13), 10);
	GIVES("handlers", count, 0);
	FAILS("nothing fits", write(fd, "x", 1), EFBIG);
	say("handlers: %d, SI_USER: %d", count, code == SI_USER);
	FAILS("ftruncate", ftruncate(fd, (1 << 20) + 1), EFBIG);
	GIVES("handlers", count, 2);
	return finish();
}
