/* eventfd between threads: readers and writers that wait, semaphores, polls; what its flags allow. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int fd;
static void *take(void *unused)
{
	eventfd_t value = 0;
	(void)unused;
	return eventfd_read(fd, &value) ? (void *)-1 : (void *)(long)value;
}
static void *give(void *value)
{
	usleep(20000);
	return (void *)(long)eventfd_write(fd, (eventfd_t)(long)value);
}
static void *look(void *events)
{
	struct pollfd p = { fd, (short)(long)events, 0 };
	return (void *)(long)(poll(&p, 1, -1) == 1 ? p.revents : -1);
}
static void *ping(void *other)
{
	eventfd_t value;
	for (int i = 0; i < 2000; i++) {
		if (eventfd_read(fd, &value) || value != 1) return (void *)1;
		if (eventfd_write((int)(long)other, 1)) return (void *)2;
	}
	return 0;
}

int main(void)
{
	pthread_t t[5];
	void *result;
	eventfd_t value;
	struct pollfd p;

	fd = eventfd(0, EFD_SEMAPHORE);
	for (int i = 0; i < 5; i++) pthread_create(&t[i], NULL, take, NULL);
	usleep(20000);
	GIVES("five at once", eventfd_write(fd, 5), 0);
	long sum = 0;
	for (int i = 0; i < 5; i++) pthread_join(t[i], &result), sum += (long)result;
	GIVES("five took one each", sum, 5);
	close(fd);

	fd = eventfd(0, 0);
	GIVES("nearly full", eventfd_write(fd, UINT64_MAX - 1), 0);
	p = (struct pollfd){ fd, POLLIN | POLLOUT, 0 };
	GIVES("poll", poll(&p, 1, 0), 1);
	GIVES("to read only", p.revents, POLLIN);
	pthread_create(&t[0], NULL, give, (void *)3);
	pthread_create(&t[1], NULL, look, (void *)POLLOUT);
	usleep(50000);
	GIVES("read it", eventfd_read(fd, &value), 0);
	CHECK("all of it", value == UINT64_MAX - 1);
	pthread_join(t[0], &result);
	GIVES("the writer that waited", (long)result, 0);
	pthread_join(t[1], &result);
	GIVES("the poll that waited", (long)result, POLLOUT);
	GIVES("read again", eventfd_read(fd, &value), 0);
	GIVES("what was written then", value, 3);

	pthread_create(&t[0], NULL, look, (void *)POLLIN);
	pthread_create(&t[1], NULL, give, (void *)4);
	pthread_join(t[0], &result);
	GIVES("a poll for reading", (long)result, POLLIN);
	pthread_join(t[1], NULL);
	GIVES("value", (eventfd_read(fd, &value), value), 4);

	GIVES("a write of 0", eventfd_write(fd, 0), 0);
	GIVES("is nothing to read", poll(&p, 1, 0), 1);
	GIVES("but to write", p.revents, POLLOUT);
	GIVES("O_NONBLOCK later", fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	FAILS("read", eventfd_read(fd, &value), EAGAIN);
	GIVES("flags", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	fcntl(fd, F_SETFL, 0);

	uint64_t words[2] = { 7, 9 };
	GIVES("a write", write(fd, words, 8), 8);
	GIVES("a longer read", read(fd, words, 16), 8);
	GIVES("value", words[0], 7);
	GIVES("the rest is left alone", words[1], 9);
	struct iovec pieces[2] = { { words, 8 }, { words + 1, 8 } };
	words[0] = 5;
	GIVES("writev", writev(fd, pieces, 1), 8);
	GIVES("readv", readv(fd, pieces, 1), 8);
	GIVES("value", words[0], 5);
	FAILS("pread", pread(fd, words, 8, 0), ESPIPE);
	FAILS("bad memory", write(fd, (void *)8, 8), EFAULT);

	int other = eventfd(0, 0);
	pthread_create(&t[0], NULL, ping, (void *)(long)other);
	int wrong = 0;
	for (int i = 0; i < 2000; i++) wrong += eventfd_write(fd, 1) || eventfd_read(other, &value) || value != 1;
	pthread_join(t[0], &result);
	GIVES("ping-pong", (long)result, 0);
	GIVES("wrong answers", wrong, 0);
	return finish();
}
