/* RLIMIT_NOFILE: too many open files are EMFILE, whatever opens them; ten thousand are no problem
 * where they are allowed. */
#include "expect.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MANY 10000

static struct rlimit limit;

static int set_limit(rlim_t soft)
{
	limit.rlim_cur = soft;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void)
{
	static int fds[MANY];
	int pipes[2];
	make_file("file", "text");
	GIVES("getrlimit", getrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK("as many are allowed as are wanted here", limit.rlim_max >= MANY + 100);
	GIVES("a limit of 100", set_limit(100), 0);
	int count = 0;
	while (count < MANY && (fds[count] = open("file", O_RDONLY)) >= 0) count++;
	say("open: errno=%s", errno_name(errno));
	CHECK("the last number is 99", fds[count - 1] == 99);
	FAILS("creat", creat("new", 0600), EMFILE);
	FAILS("creat made nothing", access("new", F_OK), ENOENT);
	FAILS("dup", dup(0), EMFILE);
	FAILS("fcntl", fcntl(0, F_DUPFD, 50), EMFILE);
	FAILS("fcntl beyond the limit", fcntl(0, F_DUPFD, 100), EINVAL);
	FAILS("dup2 beyond the limit", dup2(0, 100), EBADF);
	FAILS("pipe", pipe(pipes), EMFILE);
	FAILS("memfd_create", syscall(SYS_memfd_create, "name", 0), EMFILE);
	GIVES("dup2 of one that is open", dup2(0, 99), 99);
	GIVES("close", close(99), 0);
	FAILS("pipe with room for one", pipe(pipes), EMFILE);
	GIVES("open again", open("file", O_RDONLY), 99);

	GIVES("a limit below what is open", set_limit(50), 0);
	char text[8];
	GIVES("what is open stays", pread(99, text, 8, 0), 4);
	FAILS("open", open("file", O_RDONLY), EMFILE);
	GIVES("a limit above", set_limit(MANY + 100), 0);
	while (count < MANY && (fds[count] = open("file", O_RDONLY)) >= 0) count++;
	CHECK("ten thousand files", count == MANY);
	CHECK("the last can be read", pread(fds[MANY - 1], text, 8, 0) == 4);
	for (int i = 0; i < MANY; i += 2) close(fds[i]);
	int lowest = 0;
	for (int i = 0; i < MANY; i += 2) lowest += open("file", O_RDONLY) == fds[i];
	CHECK("the lowest free number, each time", lowest == MANY / 2);
	GIVES("close_range", syscall(SYS_close_range, fds[0], fds[MANY - 1], 0), 0);
	FAILS("all are closed", close(fds[MANY / 3]), EBADF);
	return finish();
}
