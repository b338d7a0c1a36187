/* eventfd: counter, semaphore, overflow, between threads. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

static int shared;
static void *post(void *unused)
{
	(void)unused;
	return (void *)(long)eventfd_write(shared, 9);
}

int main(void)
{
	eventfd_t value = 0;
	int fd = OPENED("eventfd", eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
	GIVES("flags", fcntl(fd, F_GETFD), FD_CLOEXEC);
	GIVES("read", eventfd_read(fd, &value), 0);
	GIVES("value", value, 3);
	FAILS("read of 0", eventfd_read(fd, &value), EAGAIN);
	GIVES("add 5", eventfd_write(fd, 5), 0);
	GIVES("add 6", eventfd_write(fd, 6), 0);
	GIVES("read", eventfd_read(fd, &value), 0);
	GIVES("value", value, 11);
	GIVES("nearly full", eventfd_write(fd, UINT64_MAX - 1), 0);
	FAILS("overflow", eventfd_write(fd, 1), EAGAIN);
	FAILS("the largest is refused", eventfd_write(fd, UINT64_MAX), EINVAL);
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	GIVES("poll of a full one", poll(&p, 1, 0), 1);
	GIVES("readable only", p.revents, POLLIN);
	char small[4];
	FAILS("a short read", read(fd, small, 4), EINVAL);
	FAILS("a short write", write(fd, small, 4), EINVAL);

	int semaphore = OPENED("EFD_SEMAPHORE", eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
	GIVES("read", eventfd_read(semaphore, &value), 0);
	GIVES("value", value, 1);
	GIVES("read", eventfd_read(semaphore, &value), 0);
	FAILS("read of 0", eventfd_read(semaphore, &value), EAGAIN);
	FAILS("flags of nonsense", eventfd(0, 0x40000000), EINVAL);

	shared = OPENED("a blocking one", eventfd(0, 0));
	pthread_t t;
	pthread_create(&t, 0, post, 0);
	GIVES("a read that waits", eventfd_read(shared, &value), 0);
	void *result;
	pthread_join(t, &result);
	GIVES("eventfd_write in a thread", result, 0);
	GIVES("value", value, 9);
	return finish();
}
