// flags: -pthread
/* Descriptors of a handler's making and other processes: what is behind them is one process's. */
#include "check.h"
#include "echo_object.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

static struct echo echo;
static int fd, end_of_child;

static void child_ends(pid_t child)
{
	GIVES(waitpid(child, &end_of_child, 0), child);
	GIVES(end_of_child, 0);
}

static int readable(void)
{
	struct pollfd one = { fd, POLLIN, 0 };
	return poll(&one, 1, 0);
}

/* In the child of a fork numbers are open, and that is all. */
static void forks(void)
{
	char text[8];
	GIVES(write(fd, "ab", 2), 2);
	GIVES(readable(), 1);
	pid_t child = fork();
	if (!child) {
		checks_broken = 0;
		static struct echo other;
		struct stat about;
		struct iovec piece = { text, 1 };
		FAILS(read(fd, text, 1), ESTALE);
		FAILS(readv(fd, &piece, 1), ESTALE);
		FAILS(write(fd, text, 1), ESTALE);
		FAILS(recv(fd, text, 1, MSG_DONTWAIT), ESTALE);
		FAILS(dup(fd), ESTALE);
		FAILS(dup2(fd, 1), ESTALE);
		FAILS(fcntl(fd, F_DUPFD, 50), ESTALE);
		GIVES(fstat(fd, &about), 0);
		CHECK(!muslin_fd_get(fd, &echo_ops));
		GIVES(echo_mint(&other, 0), -ESTALE);
		int null = open("/dev/null", O_RDWR);
		GIVES(dup2(null, fd), fd);
		GIVES(write(fd, text, 1), 1);
		GIVES(close(fd), 0);
		FAILS(close(fd), EBADF);
		GIVES(open("/dev/zero", O_RDONLY), fd);
		GIVES(read(fd, text, 1), 1);
		_exit(checks_broken != 0);
	}
	child_ends(child);
	child = fork();
	if (!child) {
		checks_broken = 0;
		GIVES(close(fd), 0);
		GIVES(syscall(SYS_close_range, 3, ~0u, 0), 0);
		_exit(checks_broken != 0);
	}
	child_ends(child);
	GIVES(readable(), 1);
	GIVES(echo.closed, 0);
	GIVES(read(fd, text, 8), 2);
	GIVES(readable(), 0);
	GIVES(write(fd, "c", 1), 1);
	GIVES(readable(), 1);
	GIVES(read(fd, text, 8), 1);
}

/* A child that shares the memory changes its own numbers alone. */
static void spawns(void)
{
	char text[8], *none[] = { "true", 0 };
	posix_spawn_file_actions_t actions;
	pid_t child;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, fd);
	posix_spawn_file_actions_adddup2(&actions, 2, fd + 1);
	GIVES(posix_spawn(&child, "/bin/true", &actions, 0, none, environ), 0);
	child_ends(child);
	GIVES(write(fd, "d", 1), 1);
	GIVES(readable(), 1);
	GIVES(read(fd, text, 8), 1);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 1);
	GIVES(posix_spawn(&child, "/bin/true", &actions, 0, none, environ), ESTALE);
	posix_spawn_file_actions_destroy(&actions);
	child = vfork();
	if (!child) {
		close(fd);
		_exit(0);
	}
	child_ends(child);
	GIVES(write(fd, "e", 1), 1);
	GIVES(readable(), 1);
	GIVES(read(fd, text, 8), 1);
	GIVES(echo.closed, 0);
}

/* How many descriptors are open. */
static int others(void)
{
	DIR *open_ones = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;
	while ((entry = readdir(open_ones)))
		count += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(open_ones);
	closedir(open_ones);
	return count;
}

static int inherited;

/* What is executed has none of them: neither the minted ones nor the runtime's own. */
static void executes(const char *self)
{
	GIVES(fcntl(fd, F_SETFD, 0), 0);
	pid_t child = fork();
	if (!child) {
		char before[20];
		snprintf(before, sizeof before, "%d", inherited);
		execl(self, self, before, (char *)0);
		_exit(99);
	}
	child_ends(child);
}

static volatile int stop;
static unsigned held;

static void *lock_often(void *unused)
{
	while (!stop) {
		muslin_lock(&held);
		muslin_unlock(&held);
	}
	return unused;
}

/* A child finds no lock that nobody will unlock. */
static void forks_between_locks(void)
{
	pthread_t threads[2];
	for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, lock_often, 0);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();
		if (!child) {
			muslin_lock(&held);
			muslin_unlock(&held);
			_exit(0);
		}
		child_ends(child);
	}
	stop = 1;
	for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
}

static volatile sig_atomic_t signals, in_lock_signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
	/* It never comes while the lock is held: else this would wait for ever. */
	muslin_lock(&held);
	muslin_unlock(&held);
}

static void signals_wait_for_locks(void)
{
	struct sigaction action = { .sa_handler = count_signal };
	sigaction(SIGUSR1, &action, 0);
	muslin_lock(&held);
	raise(SIGUSR1);
	GIVES(signals, 0);
	unsigned second = 0;
	muslin_lock(&second);
	muslin_unlock(&second);
	GIVES(signals, 0);
	muslin_unlock(&held);
	GIVES(signals, 1);
}

static unsigned long long serve(void *context, unsigned long long now)
{
	(void)context, (void)now;
	return ~0ull;
}

static int tasks(void)
{
	DIR *all = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;
	while ((entry = readdir(all))) count += entry->d_name[0] != '.';
	closedir(all);
	return count;
}

/* The service is one thread more for the kernel, none for libc, and does not take signals. */
static void serves(void)
{
	GIVES(tasks(), 1);
	GIVES(muslin_service(serve, 0), 0);
	GIVES(tasks(), 2);
	for (int i = 0; i < 100; i++) kill(getpid(), SIGUSR1);
	CHECK(signals >= 2);
	GIVES(setuid(getuid()), 0);
	muslin_service_kick();
	pid_t child = fork();
	if (!child) _exit(tasks() != 1);
	child_ends(child);
	GIVES(system("exit 7"), 7 << 8);
}

static void say_closed(void *object)
{
	(void)object;
	muslin_passthrough(SYS_write, (long[6]){ 1, (long)"closed ", 7 });
}

static void *wait_for_ever(void *unused)
{
	char text[8];
	muslin_passthrough(SYS_write, (long[6]){ 1, (long)"read ", 5 });
	read(fd, text, 1);
	muslin_passthrough(SYS_write, (long[6]){ 1, (long)"went on ", 8 });
	return unused;
}

/* The process ends while a thread waits and a child has ended. */
static int end_process(void)
{
	static struct muslin_file_ops ops;
	pthread_t thread;
	ops = echo_ops;
	ops.closed = say_closed;
	echo.timeout_ns = ~0ull;
	fd = muslin_fd_mint(&ops, &echo, 0, POLLOUT, &echo.file);
	dup(fd);
	if (!fork()) exit(0);
	wait(0);
	pthread_create(&thread, 0, wait_for_ever, 0);
	sleep_ms(20);
	exit(0);
}

/* An object hears of the end of its process, once, and nobody else does. */
static void ends(const char *self)
{
	int pipes[2];
	char said[100] = { 0 };
	GIVES(pipe(pipes), 0);
	pid_t child = fork();
	if (!child) {
		dup2(pipes[1], 1);
		close(pipes[0]);
		execl(self, self, "0", "end", (char *)0);
		_exit(99);
	}
	close(pipes[1]);
	child_ends(child);
	long length = 0, more;
	while ((more = read(pipes[0], said + length, sizeof said - length)) > 0) length += more;
	CHECK(!strcmp(said, "read closed "));
	close(pipes[0]);
}

int main(int argc, char **argv)
{
	if (argc > 2) return end_process();
	inherited = others();
	if (argc > 1) return inherited != atoi(argv[1]);
	fd = echo_mint(&echo, O_NONBLOCK);
	forks();
	spawns();
	executes(argv[0]);
	ends(argv[0]);
	signals_wait_for_locks();
	forks_between_locks();
	serves();
	return finish();
}
