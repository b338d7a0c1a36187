/* POSIX asynchronous I/O, which musl does with threads: read, write, lists, notices, cancelling. */
#include "expect.h"
#include <aio.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>

static sem_t told;
static volatile int value;
static void in_thread(union sigval which)
{
	value = which.sival_int;
	sem_post(&told);
}
static void by_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	value = info->si_value.sival_int;
}
static int wait_for(struct aiocb *cb)
{
	const struct aiocb *list[1] = { cb };
	while (aio_error(cb) == EINPROGRESS) aio_suspend(list, 1, NULL);
	return aio_error(cb);
}

int main(void)
{
	char text[32] = "";
	int fd = open("file", O_CREAT | O_RDWR, 0600), p[2];
	struct aiocb a = { .aio_fildes = fd, .aio_buf = "hello world", .aio_nbytes = 11 };

	GIVES("aio_write", aio_write(&a), 0);
	CODE("aio_error in the end", wait_for(&a), 0);
	GIVES("aio_return", aio_return(&a), 11);
	struct aiocb b = { .aio_fildes = fd, .aio_buf = text, .aio_nbytes = 5, .aio_offset = 6 };
	b.aio_sigevent = (struct sigevent){ .sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread, .sigev_value.sival_int = 12 };
	sem_init(&told, 0, 0);
	GIVES("aio_read", aio_read(&b), 0);
	GIVES("told by a thread", sem_wait(&told), 0);
	GIVES("aio_return", aio_return(&b), 5);
	say("text %s, value %d", text, value);

	sigset_t set;
	struct sigaction action = { .sa_sigaction = by_signal, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	b.aio_sigevent = (struct sigevent){ .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 34 };
	GIVES("aio_read", aio_read(&b), 0);
	sigdelset(&set, SIGUSR1);
	FAILS("told by a signal", sigsuspend(&set), EINTR);
	say("value %d", value);
	wait_for(&b);
	aio_return(&b);

	pipe(p);
	struct aiocb c = { .aio_fildes = p[0], .aio_buf = text, .aio_nbytes = 5 };
	GIVES("aio_read of an empty pipe", aio_read(&c), 0);
	CODE("in progress", aio_error(&c), EINPROGRESS);
	const struct aiocb *list[1] = { &c };
	struct timespec soon = { 0, 5000000 };
	FAILS("aio_suspend", aio_suspend(list, 1, &soon), EAGAIN);
	GIVES("aio_cancel", aio_cancel(p[0], &c), AIO_CANCELED);
	CODE("cancelled", wait_for(&c), ECANCELED);
	FAILS("aio_return", aio_return(&c), -1);

	struct aiocb *many[2] = { &a, &b };
	a.aio_lio_opcode = LIO_WRITE;
	a.aio_offset = 20;
	b.aio_lio_opcode = LIO_READ;
	b.aio_sigevent.sigev_notify = SIGEV_NONE;
	GIVES("lio_listio", lio_listio(LIO_WAIT, many, 2, NULL), 0);
	say("%ld and %ld bytes", (long)aio_return(&a), (long)aio_return(&b));
	GIVES("aio_fsync", aio_fsync(O_SYNC, &a), 0);
	CODE("done", wait_for(&a), 0);
	a.aio_fildes = 999;
	FAILS("aio_write EBADF", aio_write(&a), EBADF);
	return finish();
}
