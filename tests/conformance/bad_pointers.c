/* EFAULT from every call that takes a pointer, for every pointer that it takes: addresses that
 * nobody owns, the first byte behind a mapping, and, where the kernel would write, memory that can
 * only be read. Errors that come before the pointer is looked at must be the same as well. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What an argument is, if it is not a number of its own: these are far from all that is passed. */
enum {
	TOKEN = 0x5eed0000,
	PATH,		/* a path that the kernel reads */
	IN,		/* memory that the kernel reads */
	OUT,		/* memory that the kernel writes */
	FILE_FD,
	OTHER_FD,
	DIR_FD,
	PIPE_IN,
	PIPE_OUT,
	ROOM,		/* good memory: zeros */
	NAME,		/* a file that is there */
	LINK,		/* a symbolic link that is there */
	NEW,		/* a file that is not there */
	ATTRIBUTE,	/* the name of an extended attribute */
	IOVEC,		/* one good piece */
	POLLFD,		/* one good entry */
	SIGNALS,	/* a set with SIGUSR1 in it */
	PID,
	TOKENS_END
};

static const struct call {
	const char *name;
	long number;
	long args[6];
} calls[] = {
#define C(name, ...) { #name, SYS_##name, { __VA_ARGS__ } }
	C(read, FILE_FD, OUT, 64), C(write, PIPE_OUT, IN, 64), C(pread64, FILE_FD, OUT, 64, 0),
	C(pwrite64, FILE_FD, IN, 64, 0), C(readv, FILE_FD, IN, 1), C(writev, PIPE_OUT, IN, 1),
	C(preadv, FILE_FD, IN, 1, 0), C(pwritev, FILE_FD, IN, 1, 0),
	C(preadv2, FILE_FD, IN, 1, 0, 0, 0), C(pwritev2, FILE_FD, IN, 1, 0, 0, 0),
	C(open, PATH, O_RDONLY), C(openat, AT_FDCWD, PATH, O_RDONLY),
	C(openat2, AT_FDCWD, PATH, ROOM, 24), C(openat2, AT_FDCWD, NAME, IN, 24),
	C(creat, PATH, 0600), C(memfd_create, PATH, 0),
	C(stat, PATH, ROOM), C(stat, NAME, OUT), C(lstat, PATH, ROOM), C(lstat, NAME, OUT),
	C(fstat, FILE_FD, OUT), C(newfstatat, AT_FDCWD, PATH, ROOM, 0),
	C(newfstatat, AT_FDCWD, NAME, OUT, 0), C(statx, AT_FDCWD, PATH, 0, 0x7ff, ROOM),
	C(statx, AT_FDCWD, NAME, 0, 0x7ff, OUT), C(statfs, PATH, ROOM), C(statfs, NAME, OUT),
	C(fstatfs, FILE_FD, OUT), C(access, PATH, 0), C(faccessat, AT_FDCWD, PATH, 0),
	C(faccessat2, AT_FDCWD, PATH, 0, 0),
	C(poll, IN, 1, 0), C(ppoll, IN, 1, ROOM, 0, 8), C(ppoll, POLLFD, 1, IN, 0, 8),
	C(ppoll, POLLFD, 1, ROOM, IN, 8), C(select, 1, IN, 0, 0, ROOM), C(select, 1, 0, IN, 0, ROOM),
	C(select, 1, 0, 0, IN, ROOM), C(select, 0, 0, 0, 0, IN), C(pselect6, 1, IN, 0, 0, ROOM, 0),
	C(pselect6, 0, 0, 0, 0, IN, 0), C(pselect6, 0, 0, 0, 0, ROOM, IN),
	C(pipe, OUT), C(pipe2, OUT, 0), C(ioctl, PIPE_IN, FIONREAD, OUT), C(ioctl, FILE_FD, FIONBIO, IN),
	C(fcntl, FILE_FD, F_GETLK, IN), C(fcntl, FILE_FD, F_SETLK, IN),
	C(sendfile, PIPE_OUT, FILE_FD, IN, 1), C(splice, FILE_FD, IN, PIPE_OUT, 0, 1, 0),
	C(splice, PIPE_IN, 0, FILE_FD, IN, 1, 0), C(vmsplice, PIPE_OUT, IN, 1, 0),
	C(copy_file_range, FILE_FD, IN, OTHER_FD, 0, 1, 0),
	C(copy_file_range, FILE_FD, 0, OTHER_FD, IN, 1, 0),
	C(truncate, PATH, 0), C(getdents, DIR_FD, OUT, 512), C(getdents64, DIR_FD, OUT, 512),
	C(getcwd, OUT, 512), C(chdir, PATH), C(mkdir, PATH, 0700), C(mkdirat, AT_FDCWD, PATH, 0700),
	C(rmdir, PATH), C(unlink, PATH), C(unlinkat, AT_FDCWD, PATH, 0),
	C(rename, PATH, NEW), C(rename, NAME, PATH), C(renameat, AT_FDCWD, PATH, AT_FDCWD, NEW),
	C(renameat, AT_FDCWD, NAME, AT_FDCWD, PATH), C(renameat2, AT_FDCWD, PATH, AT_FDCWD, NEW, 0),
	C(renameat2, AT_FDCWD, NAME, AT_FDCWD, PATH, 0), C(link, PATH, NEW), C(link, NAME, PATH),
	C(linkat, AT_FDCWD, PATH, AT_FDCWD, NEW, 0), C(linkat, AT_FDCWD, NAME, AT_FDCWD, PATH, 0),
	C(symlink, PATH, NEW), C(symlink, NAME, PATH), C(symlinkat, PATH, AT_FDCWD, NEW),
	C(symlinkat, NAME, AT_FDCWD, PATH), C(readlink, PATH, ROOM, 64), C(readlink, LINK, OUT, 64),
	C(readlinkat, AT_FDCWD, PATH, ROOM, 64), C(readlinkat, AT_FDCWD, LINK, OUT, 64),
	C(chmod, PATH, 0600), C(fchmodat, AT_FDCWD, PATH, 0600), C(fchmodat2, AT_FDCWD, PATH, 0600, 0),
	C(chown, PATH, -1, -1), C(lchown, PATH, -1, -1), C(fchownat, AT_FDCWD, PATH, -1, -1, 0),
	C(utime, PATH, 0), C(utime, NAME, IN), C(utimes, PATH, 0), C(utimes, NAME, IN),
	C(futimesat, AT_FDCWD, PATH, 0), C(futimesat, AT_FDCWD, NAME, IN),
	C(utimensat, AT_FDCWD, PATH, 0, 0), C(utimensat, AT_FDCWD, NAME, IN, 0),
	C(mknod, PATH, S_IFIFO | 0600, 0), C(mknodat, AT_FDCWD, PATH, S_IFIFO | 0600, 0),
	C(setxattr, PATH, ATTRIBUTE, ROOM, 1, 0), C(setxattr, NAME, IN, ROOM, 1, 0),
	C(setxattr, NAME, ATTRIBUTE, IN, 1, 0), C(lsetxattr, PATH, ATTRIBUTE, ROOM, 1, 0),
	C(fsetxattr, FILE_FD, IN, ROOM, 1, 0), C(getxattr, PATH, ATTRIBUTE, ROOM, 64),
	C(getxattr, NAME, IN, ROOM, 64), C(lgetxattr, PATH, ATTRIBUTE, ROOM, 64),
	C(fgetxattr, FILE_FD, IN, ROOM, 64), C(listxattr, PATH, ROOM, 64), C(llistxattr, PATH, ROOM, 64),
	C(removexattr, PATH, ATTRIBUTE), C(removexattr, NAME, IN), C(lremovexattr, PATH, ATTRIBUTE),
	C(fremovexattr, FILE_FD, IN),
	C(rt_sigaction, SIGUSR1, IN, 0, 8), C(rt_sigaction, SIGUSR1, 0, OUT, 8),
	C(rt_sigprocmask, SIG_BLOCK, IN, 0, 8), C(rt_sigprocmask, SIG_BLOCK, 0, OUT, 8),
	C(rt_sigpending, OUT, 8), C(rt_sigtimedwait, IN, 0, ROOM, 8),
	C(rt_sigtimedwait, SIGNALS, 0, IN, 8), C(rt_sigqueueinfo, PID, SIGUSR1, IN),
	C(rt_sigsuspend, IN, 8), C(sigaltstack, IN, 0), C(sigaltstack, 0, OUT),
	C(nanosleep, IN, 0), C(clock_nanosleep, 1, 0, IN, 0), C(clock_gettime, 0, OUT),
	C(clock_getres, 1, OUT), C(clock_settime, 0, IN), C(gettimeofday, OUT, 0),
	C(gettimeofday, 0, OUT), C(time, OUT), C(times, OUT),
	C(futex, IN, 128, 0, ROOM), C(futex, ROOM, 128, 0, IN), C(get_robust_list, 0, OUT, ROOM),
	C(get_robust_list, 0, ROOM, OUT),
	C(uname, OUT), C(sysinfo, OUT), C(getrusage, 0, OUT), C(getrlimit, 7, OUT), C(setrlimit, 7, IN),
	C(prlimit64, 0, 7, IN, 0), C(prlimit64, 0, 7, 0, OUT), C(getresuid, OUT, ROOM, ROOM),
	C(getresuid, ROOM, OUT, ROOM), C(getresuid, ROOM, ROOM, OUT), C(getresgid, OUT, ROOM, ROOM),
	C(getresgid, ROOM, OUT, ROOM), C(getresgid, ROOM, ROOM, OUT),
	C(sched_setparam, 0, IN), C(sched_getparam, 0, OUT), C(sched_setscheduler, 0, 0, IN),
	C(sched_rr_get_interval, 0, OUT), C(sched_setaffinity, 0, 8, IN),
	C(sched_getaffinity, 0, 128, OUT), C(getcpu, OUT, 0, 0), C(getcpu, 0, OUT, 0),
	C(prctl, PR_SET_NAME, PATH), C(prctl, PR_GET_NAME, OUT), C(prctl, PR_GET_PDEATHSIG, OUT),
	C(arch_prctl, 0x1003, OUT), C(getrandom, OUT, 64, 0),
	C(wait4, -1, OUT, 0, 0), C(wait4, -1, 0, 0, OUT),
};

static char room[4096] __attribute__((aligned(16)));
static char reading[4096] __attribute__((aligned(16)));
static const char constant[4096] __attribute__((aligned(4096))) = "constant";
static long good[TOKENS_END - TOKEN];

/* One call with a bad pointer in place `which`; the errno, or 0. */
static int with(const struct call *call, int which, long bad)
{
	long a[6];
	for (int i = 0; i < 6; i++) {
		long arg = call->args[i];
		a[i] = arg > TOKEN && arg < TOKENS_END ? good[arg - TOKEN] : arg;
	}
	a[which] = bad;
	memset(room, 0, sizeof room);
	errno = 0;
	return syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

int main(void)
{
	char *sealed = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(sealed, 4096, PROT_READ);
	/* Two pages, of which the second is gone. */
	char *mapped = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(mapped, 'x', 4096);
	munmap(mapped + 4096, 4096);

	static char content[4096];
	memset(content, 'c', sizeof content);
	int fd = open("file", O_CREAT | O_RDWR, 0600), pipes[2];
	if (fd < 0 || write(fd, content, sizeof content) != sizeof content || pipe(pipes)) return 97;
	lseek(fd, 0, SEEK_SET);
	symlink("file", "link");
	if (write(pipes[1], content, 16) != 16) return 97;
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	fcntl(pipes[1], F_SETFL, O_NONBLOCK);
	static struct pollfd entry = { .fd = -1 };
	static struct { void *base; size_t len; } piece = { reading, 16 };
	static sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
#define GOOD(token, value) good[(token) - TOKEN] = (long)(value)
	GOOD(PATH, "file"); GOOD(IN, room); GOOD(OUT, room); GOOD(FILE_FD, fd);
	GOOD(OTHER_FD, open("other", O_CREAT | O_RDWR, 0600)); GOOD(DIR_FD, open(".", O_RDONLY));
	GOOD(PIPE_IN, pipes[0]); GOOD(PIPE_OUT, pipes[1]); GOOD(ROOM, room); GOOD(NAME, "file");
	GOOD(LINK, "link"); GOOD(NEW, "new"); GOOD(ATTRIBUTE, "user.attribute");
	GOOD(IOVEC, &piece); GOOD(POLLFD, &entry); GOOD(SIGNALS, &signals); GOOD(PID, getpid());

	const struct { const char *name; long address; int only; } bad[] = {
		{ "low", 8, 0 }, { "high", 0x7ffffffff000, 0 }, { "not canonical", 1L << 63, 0 },
		{ "last page", -4096, 0 }, { "last byte", -1, 0 },
		{ "behind the end", (long)mapped + 4096, 0 },
		{ "across the end", (long)mapped + 4095, PATH },
		{ "protected", (long)sealed, OUT }, { "constant", (long)constant, OUT },
		{ "code", (long)main, OUT },
	};
	for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
		for (int i = 0; i < 6; i++) {
			long token = calls[c].args[i];
			if (token != PATH && token != IN && token != OUT) continue;
			char line[300] = "";
			for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
				if (bad[b].only && bad[b].only != token) continue;
				int error = with(&calls[c], i, bad[b].address);
				if (error == EFAULT) continue;
				size_t length = strlen(line);
				snprintf(line + length, sizeof line - length, ", %s: %s", bad[b].name,
					error ? errno_name(error) : "fine");
			}
			say("%s, argument %d: EFAULT%s", calls[c].name, i, line);
		}

	/* Pieces of a good list that are bad themselves. */
	for (size_t b = 0; b < 6; b++) {
		struct { long base; size_t len; } list[2] = { { bad[b].address, 16 }, { (long)room, 16 } };
		char what[80];
		snprintf(what, sizeof what, "preadv into a piece, %s", bad[b].name);
		FAILS(what, syscall(SYS_preadv, fd, list, 2, 0, 0), EFAULT);
		snprintf(what, sizeof what, "pwritev from a piece, %s", bad[b].name);
		FAILS(what, syscall(SYS_pwritev, fd, list, 2, 0, 0), EFAULT);
	}
	CHECK("what may only be read is as it was", !strcmp(constant, "constant") && !sealed[0]);
	memset(room, 0, sizeof room);
	CHECK("the file is as it was", pread(fd, room, 4096, 0) == 4096 && !memcmp(room, content, 4096));
	return finish();
}
