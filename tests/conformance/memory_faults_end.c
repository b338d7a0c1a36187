/* Faults that nobody handles end a child. */
#include "expect.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE 4096

int main(void)
{
	int status;
	pid_t child = fork();
	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		char *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*(volatile char *)none = 1;
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK("a fault without handler kills the child", WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	child = fork();
	if (!child) {
		char *guarded = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		FILE *file = tmpfile();
		char *past = mmap(guarded + PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fileno(file), 0);
		signal(SIGBUS, SIG_DFL);
		(void)*(volatile char *)past;
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK("reading a map past the end of its file: SIGBUS", WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	return finish();
}
