// also: library_os
/* Families: what libc's functions turn into, each caught by one line. */
#include "check.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int calls;
static void *volatile large;

static long count(const struct muslin_call *call, void *context)
{
	(void)context;
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
	return muslin_next(call);
}

static char last_path[2][64];
static int last_dirfd[2];

static long note_paths(const struct muslin_call *call, void *context)
{
	(void)context;
	for (int i = 0; i < 2; i++) {
		const char *path = muslin_path(call, i, &last_dirfd[i]);
		snprintf(last_path[i], sizeof last_path[i], "%s", path ? path : "(none)");
	}
	return muslin_next(call);
}

#define COUNTS(number, action) do { \
		calls = 0; \
		action; \
		check(calls == (number), #action ": calls", __LINE__, calls); \
	} while (0)

int main(void)
{
	char buffer[16] = "";
	struct iovec vector = { buffer, 1 };
	struct stat facts;
	int pipes[2];

	GIVES(muslin_register_family(muslin_opens, count, 0, 0), 0);
	GIVES(muslin_register_family(muslin_closes, count, 0, 0), 0);
	COUNTS(2, FILE *file = fopen("/dev/null", "r"); fclose(file));
	COUNTS(2, close(openat(AT_FDCWD, "/dev/null", O_RDONLY)));
	COUNTS(2, close(creat("/dev/null", 0600)));

	GIVES(pipe(pipes), 0);
	GIVES(muslin_register_family(muslin_reads, count, 0, 0), 0);
	GIVES(muslin_register_family(muslin_writes, count, 0, 0), 0);
	COUNTS(1, write(pipes[1], "xyz", 3));
	COUNTS(1, writev(pipes[1], &vector, 1));
	COUNTS(2, pwrite(pipes[1], "x", 1, 0); pwritev(pipes[1], &vector, 1, 0));
	COUNTS(1, read(pipes[0], buffer, 1));
	COUNTS(1, readv(pipes[0], &vector, 1));
	COUNTS(2, pread(pipes[0], buffer, 1, 0); preadv(pipes[0], &vector, 1, 0));

	GIVES(muslin_register_family(muslin_stats, count, 0, 0), 0);
	COUNTS(1, stat("/", &facts));
	COUNTS(1, lstat("/", &facts));
	COUNTS(1, fstat(0, &facts));
	COUNTS(1, fstatat(AT_FDCWD, "/", &facts, AT_SYMLINK_NOFOLLOW));

	GIVES(muslin_register_family(muslin_sockets, count, 0, 0), 0);
	COUNTS(2, int fd = socket(AF_UNIX, SOCK_STREAM, 0); listen(fd, 1));

	GIVES(muslin_register_family(muslin_sleeps, count, 0, 0), 0);
	COUNTS(1, usleep(1));

	GIVES(muslin_register_family(muslin_processes, count, 0, 0), 0);
	COUNTS(1, int child = fork(); if (!child) _exit(0); waitpid(child, 0, 0));

	GIVES(muslin_register_family(muslin_memory, count, 0, 0), 0);
	COUNTS(2, large = malloc(1 << 20); free(large));

	GIVES(muslin_register_family(muslin_paths, note_paths, 0, 0), 0);
	GIVES(access("/some/where", 0), -1);
	CHECK(!strcmp(last_path[0], "/some/where") && last_dirfd[0] == AT_FDCWD);
	CHECK(!strcmp(last_path[1], "(none)"));
	GIVES(renameat(pipes[0], "from", pipes[1], "to"), -1);
	CHECK(!strcmp(last_path[0], "from") && last_dirfd[0] == pipes[0]);
	CHECK(!strcmp(last_path[1], "to") && last_dirfd[1] == pipes[1]);
	GIVES(symlinkat("target", pipes[0], "link"), -1);
	CHECK(!strcmp(last_path[0], "target") && last_dirfd[0] == AT_FDCWD);
	CHECK(!strcmp(last_path[1], "link") && last_dirfd[1] == pipes[0]);
	struct muslin_call no_path = { .nr = SYS_getpid };
	CHECK(muslin_path(&no_path, 0, NULL) == NULL);
	struct muslin_call open_call = { .nr = SYS_open, .args = { (long)"x" } };
	CHECK(muslin_path(&open_call, 0, NULL) != NULL);
	CHECK(muslin_path(&open_call, 1, NULL) == NULL);
	CHECK(muslin_path(&open_call, -1, NULL) == NULL);
	return finish();
}
