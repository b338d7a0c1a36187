/* A child that ends sends its parent SIGCHLD, and says how it ended. */
#include "expect.h"
#include <signal.h>
#include <sys/wait.h>

int main(void)
{
	sigset_t none;
	siginfo_t info;
	sigemptyset(&none);
	signal(SIGCHLD, SIG_DFL);
	sigaddset(&none, SIGCHLD);
	sigprocmask(SIG_BLOCK, &none, NULL);
	pid_t child = fork();
	if (!child) _exit(21);
	GIVES("sigwaitinfo SIGCHLD", sigwaitinfo(&none, &info), SIGCHLD);
	say("CLD_EXITED %d, status %d, the child %d", info.si_code == CLD_EXITED, info.si_status, info.si_pid == child);
	waitpid(child, NULL, 0);
	return finish();
}
