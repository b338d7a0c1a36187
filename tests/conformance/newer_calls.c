/* Calls that are younger than musl's own use of the kernel: a kernel may not have them yet, and
 * then every platform must say ENOSYS alike. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SEEN(what, call) do { \
		errno = 0; \
		long got_ = (call); \
		say("%s: %s errno=%s", what, got_ < 0 ? "-1" : got_ ? ">0" : "0", errno_name(errno)); \
	} while (0)

struct how { unsigned long flags, mode, resolve; };

int main(void)
{
	make_file("file", "text");
	mkdir("dir", 0700);
	struct how how = { .flags = O_RDONLY };
	SEEN("openat2", syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how));
	how.resolve = 8; /* RESOLVE_BENEATH */
	SEEN("openat2 beneath", syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how));
	SEEN("openat2, too small", syscall(SYS_openat2, AT_FDCWD, "file", &how, 1L));
	SEEN("faccessat2", syscall(SYS_faccessat2, AT_FDCWD, "file", (long)R_OK, 0L));
	SEEN("close_range of none", syscall(SYS_close_range, 1000L, 1001L, 0L));

	pid_t child = fork();
	if (!child) for (;;) pause();
	int pidfd = syscall(SYS_pidfd_open, (long)child, 0L);
	SEEN("pidfd_open", pidfd);
	if (pidfd >= 0) {
		struct pollfd p = { pidfd, POLLIN, 0 };
		SEEN("poll while it lives", poll(&p, 1, 0));
		SEEN("pidfd_send_signal", syscall(SYS_pidfd_send_signal, (long)pidfd, (long)SIGKILL, 0L, 0L));
		SEEN("poll when it is dead", poll(&p, 1, -1));
		siginfo_t info;
		SEEN("waitid P_PIDFD", waitid(3, pidfd, &info, WEXITED));
	} else {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	SEEN("pidfd_open of nobody", syscall(SYS_pidfd_open, 0x3fffffffL, 0L));

	struct timespec soon = { 0, 1000000 };
	struct epoll_event event;
	int ep = epoll_create1(0);
	SEEN("epoll_pwait2", syscall(SYS_epoll_pwait2, (long)ep, &event, 1L, &soon, 0L, 8L));
	SEEN("memfd_secret", syscall(SYS_memfd_secret, 0x4000L));
	SEEN("process_madvise EBADF", syscall(SYS_process_madvise, -1L, 0L, 0L, 0L, 0L));
	SEEN("landlock: version", syscall(SYS_landlock_create_ruleset, 0L, 0L, 1L));
	CHECK("clone3: EFAULT or ENOSYS", syscall(SYS_clone3, 8L, 64L) == -1 && (errno == EFAULT || errno == ENOSYS));
	SEEN("futex_waitv of none", syscall(SYS_futex_waitv, 0L, 0L, 0L, 0L, 0L));
	SEEN("pkey_alloc of nonsense", syscall(SYS_pkey_alloc, 1L, 0L));
	SEEN("copy_file_range EBADF", copy_file_range(-1, NULL, -1, NULL, 1, 0));
	SEEN("userfaultfd of nonsense", syscall(SYS_userfaultfd, 0x4000L));
	SEEN("io_uring_setup of none", syscall(SYS_io_uring_setup, 0L, 0L));
	SEEN("seccomp of nonsense", syscall(SYS_seccomp, 77L, 0L, 0L));
	SEEN("rseq of nonsense", syscall(SYS_rseq, 0L, 0L, 77L, 0L));
	SEEN("kcmp with itself", syscall(SYS_kcmp, (long)getpid(), (long)getpid(), 0L, (long)ep, (long)ep));
	SEEN("set_mempolicy of nonsense", syscall(SYS_set_mempolicy, 77L, 0L, 0L));
	SEEN("cachestat EBADF", syscall(451, -1L, 0L, 0L, 0L));
	SEEN("fchmodat2", syscall(452, AT_FDCWD, "file", 0600L, 0L));
	SEEN("statmount EFAULT", syscall(457, 0L, 0L, 0L, 0L));
	return finish();
}
