/* splice between pipes and sockets of TCP: all goes through, and nothing is lost where one side has no room. */
#include "expect.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { ALL = 400000 };
static char sent[ALL], came[ALL];

/* Two ends of a connection. */
static void connection(int ends[2])
{
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof server;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	bind(listener, (struct sockaddr *)&server, length);
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&server, &length);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	GIVES("connect", connect(ends[0], (struct sockaddr *)&server, length), 0);
	ends[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void flags(int fd, int set)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | set);
}

static int in[2], out[2], p[2];
static volatile int noted;

static void note(int signal)
{
	noted += signal == SIGPIPE;
}

static void *writer(void *nothing)
{
	for (long done = 0, n; done < ALL; done += n)
		if ((n = write(in[0], sent + done, ALL - done)) <= 0) break;
	shutdown(in[0], SHUT_WR);
	return NULL;
}

static void *into_the_pipe(void *nothing)
{
	long n, all = 0;
	while ((n = splice(in[1], NULL, p[1], NULL, 1 << 20, 0)) > 0) all += n;
	close(p[1]);
	return (void *)all;
}

static void *out_of_the_pipe(void *nothing)
{
	long n, all = 0;
	while ((n = splice(p[0], NULL, out[0], NULL, 1 << 20, SPLICE_F_MORE)) > 0) all += n;
	shutdown(out[0], SHUT_WR);
	return (void *)all;
}

static void through(void)
{
	pthread_t t[3];
	void *one, *other;
	long n, all = 0;
	connection(in), connection(out), pipe(p);
	pthread_create(&t[0], NULL, writer, NULL);
	pthread_create(&t[1], NULL, into_the_pipe, NULL);
	pthread_create(&t[2], NULL, out_of_the_pipe, NULL);
	while (all < ALL && (n = read(out[1], came + all, ALL - all)) > 0) all += n;
	GIVES("the end", read(out[1], came, 0), 0);
	pthread_join(t[0], NULL), pthread_join(t[1], &one), pthread_join(t[2], &other);
	GIVES("came", all, ALL);
	GIVES("into the pipe", (long)one, ALL);
	GIVES("out of it", (long)other, ALL);
	CHECK("the same", !memcmp(sent, came, ALL));
	close(in[0]), close(in[1]), close(out[0]), close(out[1]), close(p[0]);
}

/* A socket that takes no more: what it does not take stays in the pipe. */
static void full_socket(int flag_of_call)
{
	int s[2], pipes[2];
	long filled = 0, taken = 0, got = 0, n, small = 8192;
	connection(s), pipe(pipes);
	setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &(int){ 16384 }, sizeof(int));
	flags(s[0], O_NONBLOCK), flags(pipes[1], O_NONBLOCK);
	/* The peer does not read: it stops when the buffers are full. */
	for (;;) {
		while (filled < (64 << 20) && (n = write(pipes[1], sent + filled % 200000, small)) > 0) filled += n;
		n = splice(pipes[0], NULL, s[0], NULL, 1 << 20, flag_of_call);
		if (n <= 0) break;
		taken += n;
	}
	CHECK("no room", n == -1 && errno == EAGAIN);
	flags(s[1], O_NONBLOCK), flags(pipes[0], O_NONBLOCK);
	close(pipes[1]);
	/* Both in turn now, until all has come. */
	int same = 1, ended = 0;
	for (long quiet = 0; !ended && quiet < 100000;) {
		n = splice(pipes[0], NULL, s[0], NULL, 1 << 20, SPLICE_F_NONBLOCK);
		if (n == 0) shutdown(s[0], SHUT_WR);
		if (n > 0) taken += n;
		n = read(s[1], came, sizeof came);
		for (long i = 0; i < n; i++) {
			/* As it was written: pieces of `small` from places that go around. */
			long piece = (got + i) / small, place = piece * small % 200000 + (got + i) % small;
			same &= came[i] == sent[place];
		}
		if (n > 0) got += n, quiet = 0;
		if (n < 0) quiet++, usleep(100);
		ended = n == 0;
	}
	CHECK("the end", ended);
	CHECK("all was taken", taken == filled);
	CHECK("all came", got == filled);
	CHECK("the same", same);
	close(s[0]), close(s[1]), close(pipes[0]);
}

/* A pipe that takes no more: what it does not take stays in the socket. */
static void full_pipe(void)
{
	int s[2], pipes[2];
	long all = 0, got = 0, n;
	connection(s), pipe(pipes);
	fcntl(pipes[1], F_SETPIPE_SZ, 4096);
	GIVES("write", write(s[0], sent, 30000), 30000);
	shutdown(s[0], SHUT_WR);
	for (int turn = 0; turn < 100000 && all < 30000; turn++) {
		while ((n = splice(s[1], NULL, pipes[1], NULL, 1 << 20, SPLICE_F_NONBLOCK)) > 0) all += n;
		while (got < all && (n = read(pipes[0], came + got, 1000)) > 0) got += n;
	}
	GIVES("spliced", all, 30000);
	GIVES("read", got, 30000);
	CHECK("the same", !memcmp(sent, came, 30000));
	close(s[0]), close(s[1]), close(pipes[0]), close(pipes[1]);
}

static void refusals(void)
{
	int s[2], pipes[2];
	off_t place = 0;
	connection(s), pipe(pipes);
	flags(s[0], O_NONBLOCK);
	FAILS("nothing there", splice(s[0], NULL, pipes[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
	FAILS("nothing in the pipe", splice(pipes[0], NULL, s[0], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
	GIVES("no bytes", splice(pipes[0], NULL, s[0], NULL, 0, 0), 0);
	FAILS("without a pipe", splice(s[0], NULL, s[1], NULL, 10, 0), EINVAL);
	FAILS("unknown flags", splice(s[0], NULL, pipes[1], NULL, 10, 64), EINVAL);
	FAILS("a place in a socket", splice(s[0], &place, pipes[1], NULL, 10, 0), EINVAL);
	FAILS("a place in a pipe", splice(s[0], NULL, pipes[1], &place, 10, 0), ESPIPE);
	FAILS("a place in a socket", splice(pipes[0], NULL, s[0], &place, 10, 0), EINVAL);
	FAILS("into the wrong end", splice(s[0], NULL, pipes[0], NULL, 10, 0), EBADF);
	FAILS("out of the wrong end", splice(pipes[1], NULL, s[0], NULL, 10, 0), EBADF);
	FAILS("tee", tee(s[0], pipes[1], 10, 0), EINVAL);
	GIVES("write", write(pipes[1], "through", 7), 7);
	GIVES("a part", splice(pipes[0], NULL, s[0], NULL, 4, 0), 4);
	GIVES("the rest", splice(pipes[0], NULL, s[0], NULL, 100, 0), 3);
	GIVES("a part", splice(s[1], NULL, pipes[1], NULL, 2, 0), 2);
	GIVES("the rest", splice(s[1], NULL, pipes[1], NULL, 100, 0), 5);
	GIVES("read", read(pipes[0], came, 100), 7);
	say("%.7s", came);
	signal(SIGPIPE, note);
	shutdown(s[0], SHUT_WR);
	GIVES("the end", splice(s[1], NULL, pipes[1], NULL, 100, 0), 0);
	GIVES("write", write(pipes[1], "more", 4), 4);
	FAILS("after its end", splice(pipes[0], NULL, s[0], NULL, 4, 0), EPIPE);
	GIVES("and a signal", noted, 1);
	int file = memfd_create("file", 0);
	GIVES("write", write(file, "more", 4), 4);
	FAILS("sendfile after its end", sendfile(s[0], file, &place, 4), EPIPE);
	GIVES("and a signal", noted, 2);
	close(file);
	signal(SIGPIPE, SIG_IGN);
	close(pipes[1]);
	GIVES("it may still be there", read(pipes[0], came, 100) >= 0, 1);
	GIVES("the end of a pipe", splice(pipes[0], NULL, s[1], NULL, 4, 0), 0);
	close(s[0]), close(s[1]), close(pipes[0]);
}

int main(void)
{
	for (long i = 0; i < ALL; i++) sent[i] = i * 7 / 3 + i / 1001;
	refusals();
	full_pipe();
	full_socket(SPLICE_F_NONBLOCK);
	full_socket(0);
	through();
	return finish();
}
