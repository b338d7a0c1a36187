/* timerfd: relative, absolute, repeated, disarmed. */
#include "expect.h"
#include <poll.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>

int main(void)
{
	uint64_t count = 0;
	struct itimerspec set = { .it_value = { 0, 5000000 } }, old;
	int fd = OPENED("timerfd_create", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));

	FAILS("read before it is armed", read(fd, &count, 8), EAGAIN);
	GIVES("settime", timerfd_settime(fd, 0, &set, NULL), 0);
	struct pollfd p = { fd, POLLIN, 0 };
	GIVES("poll", poll(&p, 1, -1), 1);
	GIVES("read", read(fd, &count, 8), 8);
	GIVES("count", count, 1);
	FAILS("read again", read(fd, &count, 8), EAGAIN);
	GIVES("gettime", timerfd_gettime(fd, &old), 0);
	CHECK("it is over", old.it_value.tv_sec == 0 && old.it_value.tv_nsec == 0);

	set = (struct itimerspec){ { 0, 1000000 }, { 0, 1000000 } };
	GIVES("repeated", timerfd_settime(fd, 0, &set, NULL), 0);
	nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	GIVES("read", read(fd, &count, 8), 8);
	CHECK("it came several times", count >= 10);
	set = (struct itimerspec){ { 0, 0 }, { 1000, 0 } };
	GIVES("settime gives the old", timerfd_settime(fd, 0, &set, &old), 0);
	CHECK("the old interval", old.it_interval.tv_nsec == 1000000);
	GIVES("gettime", timerfd_gettime(fd, &old), 0);
	CHECK("much is left", old.it_value.tv_sec >= 900 && old.it_value.tv_sec < 1000);
	set.it_value.tv_sec = 0;
	GIVES("disarm", timerfd_settime(fd, 0, &set, NULL), 0);
	FAILS("a short read", read(fd, &count, 4), EINVAL);
	set.it_value.tv_nsec = 1000000000;
	FAILS("a wrong time", timerfd_settime(fd, 0, &set, NULL), EINVAL);
	set.it_value = (struct timespec){ 1, 0 };
	GIVES("an absolute time that is past", timerfd_settime(fd, TFD_TIMER_ABSTIME, &set, NULL), 0);
	GIVES("poll", poll(&p, 1, -1), 1);
	FAILS("settime of a file", timerfd_settime(0, 0, &set, NULL), EINVAL);
	FAILS("settime EBADF", timerfd_settime(-1, 0, &set, NULL), EBADF);
	FAILS("a clock of nonsense", timerfd_create(77, 0), EINVAL);
	FAILS("flags of nonsense", timerfd_create(CLOCK_REALTIME, 1), EINVAL);
	return finish();
}
