/* execve and its relatives: arguments, environment, descriptors that stay, errors. */
#include "expect.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;
static const char *myself;

static int status_of(pid_t child)
{
	int status;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
static void *exec_in_thread(void *unused)
{
	(void)unused;
	execl(myself, myself, "again", "from a thread", (char *)0);
	return 0;
}

static int again(int argc, char **argv)
{
	sigset_t now;
	struct sigaction usr1, usr2;
	if (argc > 3 && !strcmp(argv[2], "descriptors"))
		return fcntl(atoi(argv[3]), F_GETFD) >= 0 && fcntl(atoi(argv[4]), F_GETFD) < 0 ? 20 : 21;
	sigprocmask(SIG_BLOCK, NULL, &now);
	sigaction(SIGUSR1, NULL, &usr1);
	sigaction(SIGUSR2, NULL, &usr2);
	say("argc %d, last %s, VARIABLE %s", argc, argv[argc - 1], getenv("VARIABLE") ? getenv("VARIABLE") : "is not there");
	say("SIGUSR1 ignored %d, SIGUSR2 default %d, SIGHUP blocked %d", usr1.sa_handler == SIG_IGN,
		usr2.sa_handler == SIG_DFL, sigismember(&now, SIGHUP));
	return 30;
}

int main(int argc, char **argv)
{
	myself = argv[0];
	if (argc > 1 && !strcmp(argv[1], "again")) return again(argc, argv);
	char *arguments[] = { argv[0], "again", "one", "", "two words", NULL }, *environment[] = { "VARIABLE=value", NULL };
	sigset_t set;
	pid_t child;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))(void *)finish);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!(child = fork())) _exit((execve(argv[0], arguments, environment), 1));
	GIVES("execve", status_of(child), 30);
	if (!(child = fork())) _exit((execv(argv[0], arguments), 1));
	GIVES("execv", status_of(child), 30);
	if (!(child = fork())) _exit((execle(argv[0], argv[0], "again", "execle", (char *)0, environment), 1));
	GIVES("execle", status_of(child), 30);
	if (!(child = fork())) _exit((execlp("sh", "sh", "-c", "exit 31", (char *)0), 1));
	GIVES("execlp finds sh", status_of(child), 31);
	if (!(child = fork())) {
		int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
		_exit((fexecve(fd, arguments, environment), 1));
	}
	GIVES("fexecve", status_of(child), 30);
	if (!(child = fork())) {
		char stays[8], goes[8];
		snprintf(stays, sizeof stays, "%d", open("/dev/null", O_RDONLY));
		snprintf(goes, sizeof goes, "%d", open("/dev/null", O_RDONLY | O_CLOEXEC));
		_exit((execl(argv[0], argv[0], "again", "descriptors", stays, goes, (char *)0), 1));
	}
	GIVES("FD_CLOEXEC", status_of(child), 20);
	if (!(child = fork())) {
		pthread_t t;
		pthread_create(&t, NULL, exec_in_thread, NULL);
		for (;;) pause();
	}
	GIVES("execl in a thread", status_of(child), 30);

	FAILS("nothing", execl("nothing", "x", (char *)0), ENOENT);
	FAILS("an empty name", execlp("", "x", (char *)0), ENOENT);
	FAILS("not in PATH", execlp("no-such-program-anywhere", "x", (char *)0), ENOENT);
	make_file("file", "text");
	FAILS("not executable", execl("./file", "x", (char *)0), EACCES);
	chmod("file", 0755);
	FAILS("no format", execl("./file", "x", (char *)0), ENOEXEC);
	FAILS("a directory", execl(".", "x", (char *)0), EACCES);
	FAILS("below a file", execl("file/x", "x", (char *)0), ENOTDIR);
	make_file("script", "#!/no/such/interpreter\n");
	chmod("script", 0755);
	FAILS("no interpreter", execl("./script", "x", (char *)0), ENOENT);
	make_file("script2", "#!/bin/sh\nexit $(($1 + 1))\n");
	chmod("script2", 0755);
	if (!(child = fork())) _exit((execl("./script2", "x", "40", (char *)0), 1));
	GIVES("a script", status_of(child), 41);
	static char large[3 << 20];
	memset(large, 'x', sizeof large - 1);
	FAILS("too many arguments", execl(argv[0], "x", large, (char *)0), E2BIG);
	FAILS("fexecve EBADF", fexecve(-1, arguments, environment), EBADF);
	return finish();
}
