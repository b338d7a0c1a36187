/* Pipes and fifos: capacity, end of file, EPIPE, EAGAIN, packets. */
#include "expect.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static volatile int signals;
static void count(int number) { (void)number; signals++; }

int main(void)
{
	int p[2], waiting;
	char text[70000];
	memset(text, 'x', sizeof text);

	GIVES("pipe", pipe(p), 0);
	CHECK("two numbers", p[0] >= 3 && p[1] == p[0] + 1);
	GIVES("write", write(p[1], "hello", 5), 5);
	GIVES("FIONREAD", ioctl(p[0], FIONREAD, &waiting), 0);
	GIVES("waiting", waiting, 5);
	GIVES("read less", read(p[0], text, 2), 2);
	GIVES("read the rest", read(p[0], text, 100), 3);
	FAILS("write to the reading end", write(p[0], "x", 1), EBADF);
	FAILS("read from the writing end", read(p[1], text, 1), EBADF);
	close(p[1]);
	GIVES("end of file", read(p[0], text, 1), 0);
	close(p[0]);

	GIVES("pipe2 O_NONBLOCK|O_CLOEXEC", pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	GIVES("F_GETFD", fcntl(p[0], F_GETFD), FD_CLOEXEC);
	FAILS("read from an empty one", read(p[0], text, 1), EAGAIN);
	GIVES("write fills it", write(p[1], text, sizeof text), 65536);
	FAILS("write to a full one", write(p[1], text, 1), EAGAIN);
	GIVES("read it all", read(p[0], text, sizeof text), 65536);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	FAILS("write without a reader", write(p[1], "x", 1), EPIPE);
	signal(SIGPIPE, count);
	FAILS("write without a reader, with a handler", write(p[1], "x", 1), EPIPE);
	GIVES("SIGPIPE came", signals, 1);
	close(p[1]);
	FAILS("pipe2 of nonsense", pipe2(p, O_APPEND), EINVAL);

	GIVES("pipe2 O_DIRECT", pipe2(p, O_DIRECT), 0);
	write(p[1], "one", 3);
	write(p[1], "second", 6);
	GIVES("one packet", read(p[0], text, 100), 3);
	GIVES("a packet is cut", read(p[0], text, 4), 4);
	close(p[0]);
	close(p[1]);

	GIVES("mkfifo", mkfifo("fifo", 0600), 0);
	FAILS("a writer without a reader", open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	int reader = OPENED("a reader without a writer", open("fifo", O_RDONLY | O_NONBLOCK));
	GIVES("end of file", read(reader, text, 1), 0);
	int writer = OPENED("a writer", open("fifo", O_WRONLY));
	FAILS("now it is only empty", read(reader, text, 1), EAGAIN);
	GIVES("write", write(writer, "through", 7), 7);
	GIVES("read", read(reader, text, 100), 7);

	GIVES("pipe", pipe(p), 0);
	pid_t child = fork();
	if (!child) {
		long sum = 0, got;
		close(p[1]);
		while ((got = read(p[0], text, sizeof text)) > 0) sum += got;
		_exit(sum == 1000000 ? 7 : 8);
	}
	close(p[0]);
	for (int i = 0; i < 100; i++) write(p[1], text, 10000);
	close(p[1]);
	int status;
	waitpid(child, &status, 0);
	GIVES("a child read a million bytes", WEXITSTATUS(status), 7);
	child = fork();
	if (!child) {
		signal(SIGPIPE, SIG_DFL);
		pipe(p);
		close(p[0]);
		write(p[1], "x", 1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK("SIGPIPE kills", WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	return finish();
}
