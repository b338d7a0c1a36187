/* wait, waitpid, waitid, wait3, wait4: every state a child can be in. */
#include "expect.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static pid_t exits(int status)
{
	pid_t child = fork();
	if (!child) _exit(status);
	return child;
}
static pid_t pauses(void)
{
	pid_t child = fork();
	if (!child) for (;;) pause();
	return child;
}

int main(void)
{
	int status;
	struct rusage usage;
	siginfo_t info;

	FAILS("wait without children", wait(&status), ECHILD);
	pid_t child = exits(7);
	CHECK("wait", wait(&status) == child);
	say("exited %d with %d, signaled %d", WIFEXITED(status), WEXITSTATUS(status), WIFSIGNALED(status));
	child = exits(256 + 3);
	CHECK("waitpid", waitpid(child, &status, 0) == child);
	say("only eight bits: %d", WEXITSTATUS(status));

	child = pauses();
	GIVES("WNOHANG", waitpid(child, &status, WNOHANG), 0);
	kill(child, SIGSTOP);
	CHECK("WUNTRACED", waitpid(child, &status, WUNTRACED) == child);
	say("stopped %d by %d", WIFSTOPPED(status), WSTOPSIG(status));
	kill(child, SIGCONT);
	CHECK("WCONTINUED", waitpid(child, &status, WCONTINUED) == child);
	say("continued %d", !!WIFCONTINUED(status));
	kill(child, SIGTERM);
	CHECK("wait4", wait4(child, &status, 0, &usage) == child);
	say("signaled %d by %d", WIFSIGNALED(status), WTERMSIG(status));
	CHECK("it used little time", usage.ru_utime.tv_sec == 0);

	child = exits(9);
	GIVES("waitid WNOWAIT", waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
	say("CLD_EXITED %d, status %d, the child %d, uid %d", info.si_code == CLD_EXITED, info.si_status,
		info.si_pid == child, info.si_uid == getuid());
	GIVES("still there", waitid(P_PID, child, &info, WEXITED), 0);
	FAILS("gone", waitid(P_PID, child, &info, WEXITED), ECHILD);
	child = pauses();
	GIVES("waitid WNOHANG", (info.si_pid = 77, waitid(P_PID, child, &info, WEXITED | WNOHANG)), 0);
	GIVES("nobody", info.si_pid, 0);
	kill(child, SIGKILL);
	GIVES("waitid P_ALL", waitid(P_ALL, 0, &info, WEXITED), 0);
	say("CLD_KILLED %d, status %d", info.si_code == CLD_KILLED, info.si_status);
	FAILS("waitid without options", waitid(P_ALL, 0, &info, 0), EINVAL);
	FAILS("waitpid of nonsense", waitpid(-1, &status, 0x10000000), EINVAL);
	FAILS("waitpid of another's child", waitpid(1, &status, 0), ECHILD);

	child = fork();
	if (!child) {
		setpgid(0, 0);
		_exit(1);
	}
	setpgid(child, child);
	CHECK("waitpid of a group", waitpid(-child, &status, 0) == child);
	int seen = 0;
	for (int i = 0; i < 10; i++) exits(i);
	while (wait3(&status, 0, &usage) > 0) seen += WEXITSTATUS(status);
	CHECK("at the end ECHILD", errno == ECHILD);
	say("ten children: %d", seen);

	signal(SIGCHLD, SIG_IGN);
	child = exits(1);
	FAILS("SIGCHLD ignored: no zombie", waitpid(child, &status, 0), ECHILD);
	return finish();
}
