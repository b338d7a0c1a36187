/* One process looks into another: ptrace, process_vm_readv, prlimit of a child. */
#include "expect.h"
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

static volatile long word = 1111;

int main(void)
{
	int status;
	pid_t child = fork();
	if (!child) {
		word = 2222;
		if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(99);
		raise(SIGSTOP);
		_exit(word == 3333 ? 12 : 13);
	}
	CHECK("the child stops", waitpid(child, &status, 0) == child);
	if (WIFEXITED(status)) {
		say("no tracing here");
		return finish();
	}
	say("stopped %d by SIGSTOP %d", WIFSTOPPED(status), WSTOPSIG(status) == SIGSTOP);
	GIVES("PTRACE_PEEKDATA", ptrace(PTRACE_PEEKDATA, child, (void *)&word, 0), 2222);
	long seen = 0;
	struct iovec here = { &seen, sizeof seen }, there = { (void *)&word, sizeof word };
	GIVES("process_vm_readv", process_vm_readv(child, &here, 1, &there, 1, 0), 8);
	GIVES("what it read", seen, 2222);
	seen = 3333;
	GIVES("process_vm_writev", process_vm_writev(child, &here, 1, &there, 1, 0), 8);
	there.iov_base = (void *)8;
	FAILS("process_vm_readv EFAULT", process_vm_readv(child, &here, 1, &there, 1, 0), EFAULT);
	struct rlimit limit = { 0, 0 };
	GIVES("prlimit of a child", prlimit(child, RLIMIT_CORE, &limit, NULL), 0);
	GIVES("PTRACE_CONT", ptrace(PTRACE_CONT, child, 0, 0), 0);
	CHECK("waitpid", waitpid(child, &status, 0) == child);
	GIVES("it saw what was written", WEXITSTATUS(status), 12);
	FAILS("PTRACE_PEEKDATA of nobody", ptrace(PTRACE_PEEKDATA, 0x3fffffff, (void *)&word, 0), ESRCH);
	return finish();
}
