/* How a conformance program speaks.
 *
 * Every line goes out with one write, so that threads, forks and signal
 * handlers cannot mix or repeat lines. Lines hold only what every run must
 * repeat: no pids, addresses, times or inode numbers.
 *
 *   GIVES(what, call, value)   the call returns this value; errno is said with -1 only
 *   FAILS(what, call, ERROR)   the call returns -1 and sets this errno
 *   CODE(what, call, ERROR)    the call returns this error number (pthread_*), 0 for none
 *   CHECK(what, condition)     the condition holds
 *   say(format, ...)           one more line to compare
 *
 * main ends with `return finish();`: 0 when every expectation held, else 1.
 */
#ifndef EXPECT_H
#define EXPECT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"

static volatile int expectations_broken;

static const char *errno_name(int number)
{
	static const struct { int number; const char *name; } names[] = {
#define NAME(e) { e, #e }
		{ 0, "0" },
		NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EINTR), NAME(EIO), NAME(ENXIO),
		NAME(E2BIG), NAME(ENOEXEC), NAME(EBADF), NAME(ECHILD), NAME(EAGAIN), NAME(ENOMEM),
		NAME(EACCES), NAME(EFAULT), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV), NAME(ENODEV),
		NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE), NAME(ENOTTY),
		NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS), NAME(EMLINK),
		NAME(EPIPE), NAME(EDOM), NAME(ERANGE), NAME(EDEADLK), NAME(ENAMETOOLONG), NAME(ENOLCK),
		NAME(ENOSYS), NAME(ENOTEMPTY), NAME(ELOOP), NAME(ENOMSG), NAME(EIDRM), NAME(ENODATA),
		NAME(EOVERFLOW), NAME(EILSEQ), NAME(ENOTSOCK), NAME(EDESTADDRREQ), NAME(EMSGSIZE),
		NAME(EPROTOTYPE), NAME(ENOPROTOOPT), NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT),
		NAME(EOPNOTSUPP), NAME(EAFNOSUPPORT), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL),
		NAME(ENETUNREACH), NAME(ECONNABORTED), NAME(ECONNRESET), NAME(ENOBUFS), NAME(EISCONN),
		NAME(ENOTCONN), NAME(ETIMEDOUT), NAME(ECONNREFUSED), NAME(EHOSTUNREACH), NAME(EALREADY),
		NAME(EINPROGRESS), NAME(EOWNERDEAD), NAME(ENOTRECOVERABLE), NAME(ECANCELED),
#undef NAME
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == number) return names[i].name;
	return "another errno";
}

static void say(const char *format, ...)
{
	char line[600];
	int saved = errno;
	va_list list;
	va_start(list, format);
	int length = vsnprintf(line, sizeof line - 1, format, list);
	va_end(list);
	if (length > (int)sizeof line - 2) length = sizeof line - 2;
	line[length++] = '\n';
	if (write(1, line, length) != length) _exit(99);
	errno = saved;
}

static void expect_true(const char *what, int holds, int number)
{
	if (holds) {
		say("%s: 1", what);
	} else {
		expectations_broken = 1;
		say("%s: 0   <-- not as expected, line %d", what, number);
	}
}

static void expect_result(const char *what, long got, int error, long want, int want_error,
	int number)
{
	if (got == want && (want_error < 0 || error == want_error)) {
		/* A call that succeeds may change errno: those that wait do by chance. errno_kept.c has
		 * those that never do. */
		if (got == -1) say("%s: ret=-1 errno=%s", what, errno_name(error));
		else say("%s: ret=%ld", what, got);
	} else {
		expectations_broken = 1;
		say("%s: ret=%ld errno=%s   <-- not as expected, line %d", what, got, errno_name(error), number);
	}
}

static void expect_code(const char *what, int got, int want, int number)
{
	if (got == want) {
		say("%s: %s", what, errno_name(got));
	} else {
		expectations_broken = 1;
		say("%s: %s (%d)   <-- not as expected, line %d", what, errno_name(got), got, number);
	}
}

#define CHECK(what, condition) expect_true(what, !!(condition), __LINE__)

#define GIVES(what, call, value) do { \
		errno = 0; \
		long got_ = (long)(call); \
		expect_result(what, got_, errno, (long)(value), -1, __LINE__); \
	} while (0)

#define FAILS(what, call, error) do { \
		errno = 0; \
		long got_ = (long)(call); \
		expect_result(what, got_, errno, -1, error, __LINE__); \
	} while (0)

#define CODE(what, call, error) expect_code(what, (call), error, __LINE__)

/* A number that a call gives and that is not the same in every run (a file
 * descriptor, a pid): says only that there is one. */
static int at_least_zero(const char *what, int number, int line)
{
	int error = errno;
	if (number >= 0) {
		say("%s: ret>=0", what);
	} else {
		expectations_broken = 1;
		say("%s: ret=%d errno=%s   <-- not as expected, line %d", what, number, errno_name(error), line);
	}
	errno = error;
	return number;
}
#define OPENED(what, call) at_least_zero(what, (call), __LINE__)

/* A file with this text, made anew. */
static void make_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	if (!file || fputs(text, file) < 0 || fclose(file)) {
		say("cannot make %s: %s", path, errno_name(errno));
		_exit(98);
	}
}

/* Until this thread of ours waits in a call. */
static void until_it_waits(int tid)
{
	char path[64], text[512], *state;
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	do {
		FILE *file = fopen(path, "r");
		if (!file || !fgets(text, sizeof text, file) || !(state = strrchr(text, ')'))) {
			say("cannot see whether a thread waits");
			_exit(97);
		}
		fclose(file);
		usleep(1000);
	} while (state[2] != 'S');
}

static int finish(void)
{
	say("end");
	return expectations_broken;
}

#endif
