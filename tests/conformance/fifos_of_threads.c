/* Fifos: opens that wait for the other end, ends that come and go, polls. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

static void *open_later(void *flags)
{
	usleep(20000);
	return (void *)(long)open("fifo", (int)(long)flags);
}
static void *open_now(void *flags) { return (void *)(long)open("fifo", (int)(long)flags); }
static void *short_writer(void *unused)
{
	(void)unused;
	int fd = open("fifo", O_WRONLY);
	write(fd, "brief", 5);
	close(fd);
	return 0;
}
static void *look(void *fd)
{
	struct pollfd one = { (int)(long)fd, POLLIN, 0 };
	return (void *)(long)(poll(&one, 1, -1) == 1 ? one.revents : -1);
}
static volatile int signals;
static void count(int number) { (void)number; signals++; }

int main(void)
{
	pthread_t t;
	void *result;
	char text[100];
	GIVES("mkfifo", mkfifo("fifo", 0600), 0);
	pthread_create(&t, NULL, open_later, (void *)O_WRONLY);
	int reader = OPENED("a reader waits for a writer", open("fifo", O_RDONLY));
	pthread_join(t, &result);
	int writer = OPENED("the writer", (int)(long)result);
	GIVES("write", write(writer, "abc", 3), 3);
	GIVES("read", read(reader, text, 100), 3);
	close(reader);
	close(writer);

	pthread_create(&t, NULL, open_later, (void *)O_RDONLY);
	writer = OPENED("a writer waits for a reader", open("fifo", O_WRONLY));
	pthread_join(t, &result);
	reader = OPENED("the reader", (int)(long)result);
	pthread_create(&t, NULL, look, (void *)(long)reader);
	usleep(20000);
	close(writer);
	pthread_join(t, &result);
	GIVES("a poll sees that the writer went", (long)result, POLLHUP);
	GIVES("the end", read(reader, text, 100), 0);
	writer = OPENED("another writer", open("fifo", O_WRONLY));
	GIVES("no end any more", poll(&(struct pollfd){ reader, POLLIN, 0 }, 1, 0), 0);
	close(writer);
	close(reader);

	pthread_create(&t, NULL, short_writer, NULL);
	reader = OPENED("a reader for a writer that is soon gone", open("fifo", O_RDONLY));
	pthread_join(t, NULL);
	GIVES("what it wrote", read(reader, text, 100), 5);
	GIVES("the end", read(reader, text, 100), 0);
	pthread_create(&t, NULL, open_now, (void *)O_WRONLY);
	pthread_join(t, &result);
	CHECK("a writer does not wait while there is a reader", (long)result >= 0);
	close((int)(long)result);
	close(reader);

	int both = OPENED("both ends at once wait for nobody", open("fifo", O_RDWR));
	GIVES("write", write(both, "self", 4), 4);
	struct pollfd p = { both, POLLIN | POLLOUT, 0 };
	GIVES("poll", poll(&p, 1, 0), 1);
	GIVES("revents", p.revents, POLLIN | POLLOUT);
	GIVES("read", read(both, text, 100), 4);
	close(both);

	reader = OPENED("a reader that does not wait", open("fifo", O_RDONLY | O_NONBLOCK));
	GIVES("no writer is no end yet", poll(&(struct pollfd){ reader, POLLIN, 0 }, 1, 0), 0);
	pthread_create(&t, NULL, look, (void *)(long)reader);
	usleep(20000);
	writer = OPENED("its writer", open("fifo", O_WRONLY | O_NONBLOCK));
	GIVES("write", write(writer, "x", 1), 1);
	pthread_join(t, &result);
	GIVES("a poll sees it", (long)result, POLLIN);
	unlink("fifo");
	GIVES("without a name", write(writer, "y", 1), 1);
	GIVES("read", read(reader, text, 100), 2);
	return finish();
}
