/* The child of posix_spawn shares its parent's memory and has a stack of 5 KiB inside its parent's:
 * handlers with large buffers run on their own stack there, and the parent finds everything as it
 * was: its handlers are called for each call that it makes afterwards. */
#include "check.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static int calls[512];

static long large(const struct muslin_call *call, void *context)
{
	volatile char buffer[16 * 1024];
	(void)context;
	for (unsigned i = 0; i < sizeof buffer; i += 256) buffer[i] = (char)call->nr;
	calls[call->nr]++;
	long raw = muslin_next(call);
	for (unsigned i = 0; i < sizeof buffer; i += 256)
		if (buffer[i] != (char)call->nr) muslin_abort("somebody else's stack");
	return raw;
}

static long small(const struct muslin_call *call, void *context)
{
	(void)context;
	calls[call->nr]++;
	return muslin_next(call);
}

static int spawn(const char *path, int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_addclose(&actions, out);
	char *arguments[] = { "echo", "hello", NULL };
	pid_t child;
	int status, error = posix_spawn(&child, path, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) return -error;
	if (waitpid(child, &status, 0) != child) return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void all_are_seen(void)
{
	int before = calls[SYS_getppid];
	getppid();
	GIVES(calls[SYS_getppid] - before, 1);
	before = calls[SYS_write];
	write(-1, "", 0);
	GIVES(calls[SYS_write] - before, 1);
}

static void try(unsigned flags, muslin_handler_fn handler)
{
	long numbers[] = { SYS_clone, SYS_close, SYS_execve, SYS_rt_sigaction, SYS_rt_sigprocmask,
		SYS_dup2, SYS_fcntl, SYS_exit_group, SYS_write, SYS_read, SYS_getppid, SYS_wait4, -1 };
	for (int i = 0; numbers[i] >= 0; i++) muslin_restore(numbers[i]);
	for (int with_clone = 0; with_clone < 2; with_clone++) {
		memset(calls, 0, sizeof calls);
		if (!with_clone) GIVES(muslin_register_family(numbers + 1, handler, 0, flags), 0);
		else GIVES(muslin_register(SYS_clone, handler, 0, flags, NULL), 0);
		for (int i = 0; i < 3; i++) {
			int pipes[2];
			char said[20] = "";
			pipe2(pipes, O_CLOEXEC);
			GIVES(spawn("/bin/echo", pipes[1]), 0);
			CHECK(read(pipes[0], said, 6) == 6 && !strcmp(said, "hello\n"));
			GIVES(calls[SYS_execve], 2 * i + 1);
			GIVES(calls[SYS_dup2], 2 * i + 1);
			GIVES(calls[SYS_read], 3 * i + 2);      /* posix_spawn's own, and ours */
			all_are_seen();
			GIVES(spawn("/no/such/program", pipes[1]), -ENOENT);
			GIVES(calls[SYS_execve], 2 * i + 2);
			GIVES(calls[SYS_exit_group], i + 1);
			GIVES(calls[SYS_clone], with_clone * (2 * i + 2));
			all_are_seen();
			close(pipes[0]);
			close(pipes[1]);
		}
	}
}

int main(void)
{
	try(MUSLIN_OWN_STACK, large);
	try(0, small);
	GIVES(WEXITSTATUS(system("exit 7")), 7);
	all_are_seen();
	return finish();
}
