/* clone: a child on its own stack, with shared or separate memory, files and directory. */
#include "expect.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile int value, in_child_tid;
static int shared_fd;
static char *stack_top;

static int child(void *argument)
{
	char here;
	value = (int)(long)argument;
	in_child_tid = syscall(SYS_gettid);
	return &here < stack_top && &here > stack_top - 65536 ? 40 : 41;
}
static int opens(void *unused)
{
	(void)unused;
	shared_fd = open("file", O_RDONLY);
	chdir("/");
	return 0;
}
static int sleeps(void *unused)
{
	(void)unused;
	usleep(20000);
	value = 5;
	return 0;
}
static int status_of(pid_t pid, int options)
{
	int status;
	if (waitpid(pid, &status, options) != pid) return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int main(void)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int parent_tid = 0, child_tid = 77;
	stack_top = stack + 65536;
	make_file("file", "x");

	pid_t pid = clone(child, stack_top, SIGCHLD, (void *)7);
	GIVES("on its own stack", status_of(pid, 0), 40);
	GIVES("its memory is its own", value, 0);
	pid = clone(child, stack_top, CLONE_VM | SIGCHLD, (void *)8);
	GIVES("CLONE_VM", status_of(pid, 0), 40);
	say("its memory is ours: %d", value);
	CHECK("its number", in_child_tid == pid);
	pid = clone(sleeps, stack_top, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	GIVES("CLONE_VFORK waits", value, 5);
	GIVES("status", status_of(pid, 0), 0);
	pid = clone(child, stack_top, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_VM | SIGCHLD, (void *)9, &parent_tid, NULL, &child_tid);
	GIVES("status", status_of(pid, 0), 40);
	CHECK("CLONE_PARENT_SETTID", parent_tid == pid);
	CHECK("CLONE_CHILD_SETTID", child_tid == pid);
	pid = clone(opens, stack_top, CLONE_VM | CLONE_FILES | SIGCHLD, NULL);
	GIVES("status", status_of(pid, 0), 0);
	GIVES("CLONE_FILES: its descriptor is ours", fcntl(shared_fd, F_GETFD), 0);
	GIVES("no CLONE_FS: its directory is not", access("file", F_OK), 0);
	pid = clone(opens, stack_top, CLONE_VM | SIGCHLD, NULL);
	GIVES("status", status_of(pid, 0), 0);
	FAILS("without CLONE_FILES it is not", fcntl(shared_fd + (shared_fd == 3), F_GETFD), EBADF);
	pid = clone(child, stack_top, CLONE_VM, (void *)1);
	GIVES("no signal at its end: only __WALL sees it", status_of(pid, 0), -ECHILD);
	GIVES("__WALL", status_of(pid, __WALL), 40);
	FAILS("musl refuses CLONE_CHILD_CLEARTID", clone(child, stack_top, CLONE_CHILD_CLEARTID | SIGCHLD, NULL), EINVAL);
	FAILS("musl refuses threads", clone(child, stack_top, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, NULL), EINVAL);
	FAILS("CLONE_SIGHAND without CLONE_VM", clone(child, stack_top, CLONE_SIGHAND | SIGCHLD, NULL), EINVAL);

	pid = syscall(SYS_fork);
	if (!pid) _exit(23);
	GIVES("fork by its number", status_of(pid, 0), 23);
	pid = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (!pid) _exit(24);
	GIVES("clone by its number, on the same stack", status_of(pid, 0), 24);
	GIVES("unshare CLONE_FILES", unshare(CLONE_FILES), 0);
	FAILS("unshare of nonsense", unshare(1), EINVAL);
	return finish();
}
