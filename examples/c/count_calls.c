/* Counts and times all calls of a program and prints a table at its end, as `strace -c` does, at a
 * small part of the cost.
 *
 *     muslin-cc examples/c/program.c examples/c/count_calls.c -o program && ./program /etc/hostname
 *
 * Children of fork count for themselves, in silence. */
#include <muslin.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

#define NUMBERS 512

static struct counter {
	long calls, errors, ns;
} counters[NUMBERS];

static long first_process;

static const char *const names[NUMBERS] = {
#define NAME(name) [SYS_##name] = #name
	NAME(read), NAME(write), NAME(open), NAME(close), NAME(stat), NAME(fstat), NAME(lstat), NAME(poll),
	NAME(lseek), NAME(mmap), NAME(mprotect), NAME(munmap), NAME(brk), NAME(rt_sigaction),
	NAME(rt_sigprocmask), NAME(ioctl), NAME(pread64), NAME(pwrite64), NAME(readv), NAME(writev),
	NAME(access), NAME(pipe), NAME(sched_yield), NAME(mremap), NAME(madvise), NAME(dup), NAME(dup2),
	NAME(nanosleep), NAME(getpid), NAME(socket), NAME(connect), NAME(accept), NAME(sendto),
	NAME(recvfrom), NAME(bind), NAME(listen), NAME(clone), NAME(fork), NAME(execve), NAME(exit),
	NAME(wait4), NAME(kill), NAME(fcntl), NAME(fsync), NAME(ftruncate), NAME(getcwd), NAME(rename),
	NAME(mkdir), NAME(rmdir), NAME(unlink), NAME(readlink), NAME(getuid), NAME(getppid),
	NAME(sigaltstack), NAME(arch_prctl), NAME(gettid), NAME(futex), NAME(getdents64),
	NAME(set_tid_address), NAME(clock_gettime), NAME(exit_group), NAME(epoll_wait), NAME(epoll_ctl),
	NAME(tgkill), NAME(tkill), NAME(openat), NAME(newfstatat), NAME(pipe2), NAME(getrandom),
};

static long now_ns(void)
{
	struct timespec now;
	muslin_passthrough(SYS_clock_gettime, (long[6]){ CLOCK_MONOTONIC, (long)&now });
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The line with the most time that has not been printed. */
static long largest(const char *done)
{
	long found = -1;
	for (long nr = 0; nr < NUMBERS; nr++)
		if (counters[nr].calls && !done[nr] && (found < 0 || counters[nr].ns > counters[found].ns))
			found = nr;
	return found;
}

static void report(void)
{
	char line[160], number[32], done[NUMBERS] = "";
	struct counter all = { 0 };
	for (long nr = 0; nr < NUMBERS; nr++) {
		all.calls += counters[nr].calls;
		all.errors += counters[nr].errors;
		all.ns += counters[nr].ns;
	}
	muslin_print("% time     seconds  usecs/call     calls    errors syscall\n");
	for (long nr; (nr = largest(done)) >= 0; done[nr] = 1) {
		struct counter *one = &counters[nr];
		snprintf(number, sizeof number, "call %ld", nr);
		snprintf(line, sizeof line, "%6.2f %11.6f %11ld %9ld %9.0ld %s\n",
			100.0 * one->ns / (all.ns ? all.ns : 1), one->ns / 1e9, one->ns / one->calls / 1000,
			one->calls, one->errors, names[nr] ? names[nr] : number);
		muslin_print(line);
	}
	snprintf(line, sizeof line, "100.00 %11.6f %11s %9ld %9.0ld total\n",
		all.ns / 1e9, "", all.calls, all.errors);
	muslin_print(line);
}

static long count(const struct muslin_call *call, void *context)
{
	struct counter *counter = &counters[call->nr];
	(void)context;
	__atomic_add_fetch(&counter->calls, 1, __ATOMIC_RELAXED);
	if (call->nr == SYS_exit_group
		&& muslin_passthrough(SYS_getpid, (long[6]){ 0 }) == first_process) report();
	long start = now_ns();
	long result = muslin_next(call);
	__atomic_add_fetch(&counter->ns, now_ns() - start, __ATOMIC_RELAXED);
	if (result < 0 && result >= -4095) __atomic_add_fetch(&counter->errors, 1, __ATOMIC_RELAXED);
	return result;
}

/* The two calls before any constructor. */
MUSLIN_STATIC(count_a, SYS_arch_prctl, count, NULL, MUSLIN_OWN_STACK);
MUSLIN_STATIC(count_b, SYS_set_tid_address, count, NULL, MUSLIN_OWN_STACK);

__attribute__((__constructor__)) static void start(void)
{
	first_process = muslin_passthrough(SYS_getpid, (long[6]){ 0 });
	for (long nr = 0; nr < NUMBERS; nr++) {
		/* A vfork with a handler would become a fork; the others are there already. */
		if (nr == SYS_vfork || nr == SYS_arch_prctl || nr == SYS_set_tid_address) continue;
		/* Refused for rt_sigreturn, which no handler can have. The stack is for the report. */
		muslin_register(nr, count, NULL, MUSLIN_OWN_STACK, NULL);
	}
}
