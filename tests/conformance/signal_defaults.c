/* What signals do that nobody handles: they end a child, or nothing. */
#include "expect.h"
#include <signal.h>
#include <sys/wait.h>

static int child_dies_of(int number, void (*disposition)(int))
{
	int status;
	pid_t child = fork();
	if (!child) {
		signal(number, disposition);
		raise(number);
		_exit(55);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

int main(void)
{
	sigset_t set;
	const int deadly[] = { SIGTERM, SIGINT, SIGABRT, SIGSEGV, SIGALRM, SIGUSR1, SIGSYS, SIGKILL, SIGRTMIN };
	for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
		say("default of %d: %d", deadly[i], child_dies_of(deadly[i], SIG_DFL));
	say("default of SIGCHLD: %d", child_dies_of(SIGCHLD, SIG_DFL));
	say("SIGTERM ignored: %d", child_dies_of(SIGTERM, SIG_IGN));

	int status;
	pid_t child = fork();
	if (!child) {
		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		signal(SIGABRT, SIG_IGN);
		abort();
	}
	waitpid(child, &status, 0);
	CHECK("abort works though SIGABRT is blocked and ignored", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	return finish();
}
