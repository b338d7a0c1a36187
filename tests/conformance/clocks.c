/* Clocks: each gives times in order; resolutions; calendar functions; processor time. */
#include "expect.h"
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timeb.h>
#include <sys/times.h>
#include <time.h>

static long ns(struct timespec t) { return t.tv_sec * 1000000000L + t.tv_nsec; }

int main(void)
{
	static const struct { clockid_t id; const char *name; } clocks[] = {
		{ CLOCK_REALTIME, "REALTIME" }, { CLOCK_MONOTONIC, "MONOTONIC" }, { CLOCK_MONOTONIC_RAW, "MONOTONIC_RAW" },
		{ CLOCK_REALTIME_COARSE, "REALTIME_COARSE" }, { CLOCK_MONOTONIC_COARSE, "MONOTONIC_COARSE" },
		{ CLOCK_BOOTTIME, "BOOTTIME" }, { CLOCK_TAI, "TAI" },
		{ CLOCK_PROCESS_CPUTIME_ID, "PROCESS_CPUTIME" }, { CLOCK_THREAD_CPUTIME_ID, "THREAD_CPUTIME" },
	};
	struct timespec a, b, c;
	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
		int ordered = 1;
		GIVES(clocks[i].name, clock_gettime(clocks[i].id, &a), 0);
		for (int j = 0; j < 1000; j++, a = b) {
			clock_gettime(clocks[i].id, &b);
			ordered &= ns(b) >= ns(a) && b.tv_nsec >= 0 && b.tv_nsec < 1000000000;
		}
		CHECK("in order", ordered);
		GIVES("resolution", clock_getres(clocks[i].id, &c), 0);
		CHECK("it is small", c.tv_sec == 0 && c.tv_nsec > 0 && c.tv_nsec <= 10000000);
		clock_gettime(clocks[i].id, &a);
		GIVES("the call itself", syscall(SYS_clock_gettime, (long)clocks[i].id, &b), 0);
		clock_gettime(clocks[i].id, &c);
		CHECK("agrees", ns(a) <= ns(b) && ns(b) <= ns(c));
	}
	FAILS("a clock of nonsense", clock_gettime(77, &a), EINVAL);
	FAILS("its resolution", clock_getres(77, &a), EINVAL);
	FAILS("setting the monotonic clock", clock_settime(CLOCK_MONOTONIC, &a), EINVAL);

	struct timeval tv;
	clock_gettime(CLOCK_REALTIME, &a);
	GIVES("gettimeofday", gettimeofday(&tv, NULL), 0);
	time_t seconds = time(NULL);
	timespec_get(&c, TIME_UTC);
	clock_gettime(CLOCK_REALTIME, &b);
	CHECK("gettimeofday agrees", tv.tv_sec >= a.tv_sec && tv.tv_sec <= b.tv_sec);
	CHECK("time agrees", seconds >= a.tv_sec && seconds <= b.tv_sec);
	CHECK("timespec_get agrees", ns(a) <= ns(c) && ns(c) <= ns(b));
	CHECK("it is after 2020", seconds > 1577836800);
	time_t stored;
	CHECK("time stores too", time(&stored) == stored);
	struct timeb old;
	GIVES("ftime", ftime(&old), 0);

	clockid_t of_process;
	CODE("clock_getcpuclockid", clock_getcpuclockid(0, &of_process), 0);
	GIVES("its time", clock_gettime(of_process, &a), 0);
	CODE("clock_getcpuclockid of nobody", clock_getcpuclockid(0x0fffffff, &of_process), ESRCH);
	CHECK("clock", clock() >= 0);
	struct tms tms;
	CHECK("times", times(&tms) != -1);
	struct rusage usage;
	/* The kernel may account by ticks: works until one was seen. */
	for (int rounds = 0; rounds < 1000; rounds++) {
		for (volatile long i = 0; i < 3000000; i++) ;
		getrusage(RUSAGE_SELF, &usage);
		if (usage.ru_utime.tv_sec + usage.ru_utime.tv_usec > 0) break;
	}
	GIVES("getrusage", getrusage(RUSAGE_SELF, &usage), 0);
	CHECK("some time was used", usage.ru_utime.tv_sec + usage.ru_utime.tv_usec > 0 && usage.ru_maxrss > 0);
	GIVES("getrusage of children", getrusage(RUSAGE_CHILDREN, &usage), 0);
	CHECK("none", usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec == 0);
	GIVES("getrusage of the thread", getrusage(RUSAGE_THREAD, &usage), 0);
	FAILS("getrusage of nonsense", getrusage(77, &usage), EINVAL);

	struct tm tm;
	time_t at = 1700000000;
	char text[64];
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %j %a %Z", gmtime_r(&at, &tm));
	say("gmtime: %s", text);
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	strftime(text, sizeof text, "%H:%M %Z", localtime_r(&at, &tm));
	say("localtime in winter: %s", text);
	at = 1690000000;
	strftime(text, sizeof text, "%H:%M %Z", localtime_r(&at, &tm));
	say("in summer: %s, dst %d", text, tm.tm_isdst);
	GIVES("mktime", mktime(&tm), 1690000000);
	CHECK("strptime", strptime("2001-02-03 04:05:06", "%Y-%m-%d %H:%M:%S", &tm) && timegm(&tm) == 981173106);
	return finish();
}
