/* sendfile and splice to and from AF_UNIX sockets, while another thread reads. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static int s[2];
static char big[300000], back[300000];
static long total;

static void *reader(void *nothing)
{
	long got;
	for (total = 0; (got = read(s[1], back + total, sizeof back - total)) > 0; total += got) ;
	return NULL;
}

static long by_sendfile(int file)
{
	off_t place = 0;
	long got = 1;
	while (place < (off_t)sizeof big && got > 0) got = sendfile(s[0], file, &place, sizeof big - place);
	return place;
}

static long by_splice(int file)
{
	int p[2];
	long sent = 0, written, got;
	pipe(p);
	while (sent < (long)sizeof big) {
		written = write(p[1], big + sent, 10000);
		for (long there = 0; there < written; there += got, sent += got)
			if ((got = splice(p[0], NULL, s[0], NULL, written - there, 0)) <= 0) return sent;
	}
	close(p[0]), close(p[1]);
	return sent;
}

int main(void)
{
	int file = open("file", O_CREAT | O_RDWR, 0600), p[2];
	for (size_t i = 0; i < sizeof big; i++) big[i] = i % 253;
	GIVES("write", write(file, big, sizeof big), sizeof big);
	for (int way = 0; way < 2; way++) {
		pthread_t thread;
		socketpair(AF_UNIX, SOCK_STREAM, 0, s);
		pthread_create(&thread, NULL, reader, NULL);
		GIVES(way ? "splice" : "sendfile", way ? by_splice(file) : by_sendfile(file), sizeof big);
		shutdown(s[0], SHUT_WR);
		pthread_join(thread, NULL);
		GIVES("came", total, sizeof big);
		CHECK("the same", !memcmp(big, back, sizeof big));
		close(s[0]), close(s[1]);
	}
	pipe(p), socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[0], "through", 7);
	GIVES("splice from a socket", splice(s[1], NULL, p[1], NULL, 100, 0), 7);
	GIVES("read", read(p[0], back, 8), 7);
	say("%.7s", back);
	FAILS("nothing there", splice(s[1], NULL, p[1], NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);
	shutdown(s[0], SHUT_WR);
	GIVES("the end", splice(s[1], NULL, p[1], NULL, 100, 0), 0);
	FAILS("sendfile from a socket", sendfile(file, s[1], NULL, 10), EINVAL);
	return finish();
}
