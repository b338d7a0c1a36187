/* posix_spawn with attributes and file actions; popen; system. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static int run(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const char *script, int *status)
{
	pid_t child;
	char *arguments[] = { "sh", "-c", (char *)script, NULL };
	int code = posix_spawn(&child, "/bin/sh", actions, attributes, arguments, environ);
	if (code) return code;
	waitpid(child, status, 0);
	*status = WIFEXITED(*status) ? WEXITSTATUS(*status) : 1000 + WTERMSIG(*status);
	return 0;
}
static void show(const char *path)
{
	char text[128];
	int fd = open(path, O_RDONLY);
	int length = read(fd, text, sizeof text);
	close(fd);
	say("%s: %.*s", path, length > 0 ? length - 1 : 0, text);
}
static void *spawn_in_thread(void *number)
{
	int status = -1;
	char script[32];
	snprintf(script, sizeof script, "exit %d", (int)(long)number);
	run(NULL, NULL, script, &status);
	return (void *)(long)(status == (int)(long)number);
}

int main(void)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int status = -1, p[2];
	pid_t child;
	char *arguments[] = { "sh", "-c", "exit 5", NULL };
	sigset_t set;

	CODE("spawn", run(NULL, NULL, "exit 4", &status), 0);
	GIVES("status", status, 4);
	CODE("spawnp", posix_spawnp(&child, "sh", NULL, NULL, arguments, environ), 0);
	waitpid(child, &status, 0);
	GIVES("status", WEXITSTATUS(status), 5);
	CODE("spawn of nothing", posix_spawn(&child, "/nothing", NULL, NULL, arguments, environ), ENOENT);
	CODE("spawnp of nothing", posix_spawnp(&child, "no-such-program", NULL, NULL, arguments, environ), ENOENT);
	make_file("file", "x");
	CODE("spawn of what is not executable", posix_spawn(&child, "file", NULL, NULL, arguments, environ), EACCES);
	FAILS("no child is left over", waitpid(-1, &status, 0), ECHILD);

	GIVES("pipe", pipe2(p, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	CODE("addopen", posix_spawn_file_actions_addopen(&actions, 1, "out", O_CREAT | O_WRONLY, 0600), 0);
	CODE("adddup2", posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
	CODE("addclose", posix_spawn_file_actions_addclose(&actions, 0), 0);
	CODE("adddup2 of a pipe", posix_spawn_file_actions_adddup2(&actions, p[1], 5), 0);
	CODE("addchdir", posix_spawn_file_actions_addchdir_np(&actions, "/"), 0);
	CODE("spawn", run(&actions, NULL, "echo out; echo err >&2; read x || echo closed; pwd; echo pipe >&5", &status), 0);
	FAILS("the parent keeps its directory", access("/out", F_OK), ENOENT);
	int fd = open("out", O_RDONLY);
	char text[128];
	int length = read(fd, text, sizeof text);
	for (int i = 0; i < length; i++) if (text[i] == '\n') text[i] = '|';
	say("out: %.*s", length, text);
	length = read(p[0], text, sizeof text);
	say("pipe: %.*s", length - 1, text);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "no/such/file", O_RDONLY, 0);
	CODE("a file action that fails", run(&actions, NULL, "exit 0", &status), ENOENT);
	CODE("adddup2 of -1", posix_spawn_file_actions_adddup2(&actions, -1, 1), EBADF);

	posix_spawnattr_init(&attributes);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	signal(SIGTERM, SIG_IGN);
	posix_spawnattr_setsigdefault(&attributes, &set);
	CODE("setflags", posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP), 0);
	CODE("spawn", run(NULL, &attributes, "kill $$; exit 3", &status), 0);
	GIVES("SIGTERM is at its default", status, 1000 + SIGTERM);
	CODE("spawn", run(NULL, NULL, "kill $$; exit 3", &status), 0);
	GIVES("else it is ignored", status, 3);
	CODE("setflags of nonsense", posix_spawnattr_setflags(&attributes, 0x4000), EINVAL);

	pthread_t t[4];
	void *result;
	int good = 0;
	for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, spawn_in_thread, (void *)(50 + i));
	for (int i = 0; i < 4; i++) pthread_join(t[i], &result), good += (long)result;
	say("spawned from threads: %d good", good);

	FILE *file = popen("echo one; echo two", "r");
	CHECK("popen r", file != NULL);
	while (fgets(text, sizeof text, file)) say("popen: %.3s", text);
	GIVES("pclose", pclose(file), 0);
	file = popen("tr a-z A-Z > upper; exit 8", "w");
	fputs("text for tr\n", file);
	GIVES("pclose", pclose(file), 8 << 8);
	show("upper");
	CHECK("popen of nonsense", !popen("true", "z") && errno == EINVAL);
	GIVES("system", system("exit 12"), 12 << 8);
	GIVES("system without a shell's program", system("exit 127"), 127 << 8);
	GIVES("system of NULL", system(NULL), 1);
	GIVES("a command that is killed", system("kill -9 $$"), 9);
	system("echo from system");
	return finish();
}
