/* Pipes between threads: readers and writers that wait, whole writes up to PIPE_BUF, ends that are
 * closed while somebody waits, splice and tee. */
#include "expect.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>

static int p[2], q[2];
static char text[300000];

static void *take(void *unused)
{
	char room[100];
	(void)unused;
	long got = read(p[0], room, sizeof room);
	return (void *)(got < 0 ? -errno : got);
}
static void *take_all(void *unused)
{
	static char room[10000];
	long sum = 0, got;
	(void)unused;
	while ((got = read(p[0], room, sizeof room)) > 0)
		for (sum += got; got > 0; got--) if (room[got - 1] != 'x') sum = -1000000;
	return (void *)sum;
}
static void *give(void *len)
{
	long got = write(p[1], text, (long)len);
	return (void *)(got < 0 ? -errno : got);
}
static void *look(void *unused)
{
	struct pollfd one = { p[0], POLLIN, 0 };
	(void)unused;
	return (void *)(long)(poll(&one, 1, -1) == 1 ? one.revents : -1);
}
static void *look_to_write(void *unused)
{
	struct pollfd one = { p[1], POLLOUT, 0 };
	(void)unused;
	return (void *)(long)(poll(&one, 1, -1) == 1 ? one.revents : -1);
}
static void *records(void *letter)
{
	static _Thread_local char record[PIPE_BUF];
	memset(record, (int)(long)letter, sizeof record);
	long wrong = 0;
	for (int i = 0; i < 300; i++) {
		int len = i % 3 ? PIPE_BUF : 1000;
		wrong += write(p[1], record, len) != len;
	}
	return (void *)wrong;
}
static void *lines(void *letter)
{
	static _Thread_local char body[1500];
	memset(body, (int)(long)letter, sizeof body);
	struct iovec pieces[2] = { { body, 700 }, { body, 1500 } };
	long wrong = 0;
	for (int i = 0; i < 200; i++) wrong += writev(p[1], pieces, 2) != 2200;
	return (void *)wrong;
}
static void *echo(void *unused)
{
	char byte;
	(void)unused;
	while (read(p[0], &byte, 1) == 1) write(q[1], &byte, 1);
	return 0;
}
static void *splices(void *unused)
{
	long sum = 0, got;
	(void)unused;
	while ((got = splice(p[0], NULL, q[1], NULL, 50000, 0)) > 0) sum += got;
	close(q[1]);
	return (void *)(got < 0 ? -errno : sum);
}

int main(void)
{
	pthread_t t[2];
	void *result;
	memset(text, 'x', sizeof text);
	signal(SIGPIPE, SIG_IGN);

	pipe(p);
	pthread_create(&t[0], NULL, take, NULL);
	usleep(20000);
	GIVES("write", write(p[1], "hello", 5), 5);
	pthread_join(t[0], &result);
	GIVES("a reader that waited", (long)result, 5);
	pthread_create(&t[0], NULL, take, NULL);
	usleep(20000);
	close(p[1]);
	pthread_join(t[0], &result);
	GIVES("the end, for a reader that waited", (long)result, 0);
	close(p[0]);

	pipe(p);
	pthread_create(&t[0], NULL, give, (void *)300000);
	usleep(20000);
	struct pollfd one = { p[0], POLLIN, 0 };
	GIVES("a part is there", poll(&one, 1, -1), 1);
	GIVES("read", read(p[0], text, 65536), 65536);
	pthread_create(&t[1], NULL, take_all, NULL);
	pthread_join(t[0], &result);
	GIVES("a long write waits until all is written", (long)result, 300000);
	close(p[1]);
	pthread_join(t[1], &result);
	GIVES("the rest", (long)result, 300000 - 65536);
	close(p[0]);

	pipe(p);
	pthread_create(&t[0], NULL, give, (void *)300000);
	usleep(20000);
	close(p[0]);
	pthread_join(t[0], &result);
	GIVES("without a reader it tells what it wrote", (long)result, 65536);
	GIVES("and then", (long)give((void *)1), -EPIPE);
	close(p[1]);

	pipe(p);
	pthread_create(&t[0], NULL, look, NULL);
	usleep(20000);
	close(p[1]);
	pthread_join(t[0], &result);
	GIVES("a poll sees the end", (long)result, POLLHUP);
	close(p[0]);
	pipe2(p, O_NONBLOCK);
	GIVES("filled", write(p[1], text, 100000), 65536);
	pthread_create(&t[0], NULL, look_to_write, NULL);
	usleep(20000);
	GIVES("half of a page is read", read(p[0], text, 2048), 2048);
	GIVES("no room yet", poll(&(struct pollfd){ p[1], POLLOUT, 0 }, 1, 0), 0);
	GIVES("the rest of it", read(p[0], text, 2048), 2048);
	pthread_join(t[0], &result);
	GIVES("a poll sees room", (long)result, POLLOUT);
	GIVES("filled", write(p[1], text, 100000), 4096);
	pthread_create(&t[0], NULL, look_to_write, NULL);
	usleep(20000);
	close(p[0]);
	pthread_join(t[0], &result);
	CHECK("a poll sees that nobody reads", (long)result & POLLERR);
	close(p[1]);

	pipe(p);
	pthread_create(&t[0], NULL, records, (void *)'a');
	pthread_create(&t[1], NULL, records, (void *)'b');
	int mixed = 0, counts[2] = { 0, 0 };
	for (long left = 2 * (100 * 1000 + 200 * PIPE_BUF), len = 0; left > 0; left -= len) {
		static char room[PIPE_BUF];
		int want = 8 * 13;
		for (len = 0; len < want; len += read(p[0], room + len, want - len));
		/* 1000 and 4096 are multiples of 8, so no piece of 8 has letters of two records. */
		for (int i = 0; i < want; i += 8) {
			for (int k = 1; k < 8; k++) mixed += room[i + k] != room[i];
			counts[room[i] == 'b'] += 8;
		}
		if (left < want * 2) break;
	}
	GIVES("records that were torn", mixed, 0);
	CHECK("both came", counts[0] > 800000 && counts[1] > 800000);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	while (read(p[0], text, 4096) > 0) ;
	for (int i = 0; i < 2; i++) pthread_join(t[i], &result), say("short writes: %ld", (long)result);
	close(p[0]);
	close(p[1]);

	pipe(p);
	pthread_create(&t[0], NULL, lines, (void *)'a');
	pthread_create(&t[1], NULL, lines, (void *)'b');
	usleep(20000);
	for (int i = mixed = 0; i < 400; i++) {
		for (int len = 0; len < 2200; len += read(p[0], text + len, 2200 - len)) ;
		for (int k = 1; k < 2200; k++) mixed += text[k] != text[0];
	}
	GIVES("lines of two pieces that were torn", mixed, 0);
	for (int i = 0; i < 2; i++) pthread_join(t[i], &result), say("short writes: %ld", (long)result);
	close(p[0]);
	close(p[1]);

	pipe(p);
	pipe(q);
	pthread_create(&t[0], NULL, echo, NULL);
	int wrong = 0;
	for (int i = 0; i < 3000; i++) {
		char byte = i, back;
		wrong += write(p[1], &byte, 1) != 1 || read(q[0], &back, 1) != 1 || back != byte;
	}
	GIVES("wrong echoes", wrong, 0);
	close(p[1]);
	pthread_join(t[0], NULL);
	close(p[0]);

	pipe(p);
	pthread_create(&t[0], NULL, splices, NULL);
	pthread_create(&t[1], NULL, give, (void *)200000);
	memset(text, 'x', sizeof text);
	long sum = 0, got;
	while (sum < 200000 && (got = read(q[0], text, 7777)) > 0) sum += got;
	GIVES("through a splice", sum, 200000);
	pthread_join(t[1], &result);
	GIVES("written", (long)result, 200000);
	close(p[1]);
	pthread_join(t[0], &result);
	GIVES("spliced", (long)result, 200000);
	GIVES("the end", read(q[0], text, 1), 0);
	return finish();
}
