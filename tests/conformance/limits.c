/* Resource limits: getrlimit, setrlimit, prlimit, and what they do. */
#include "expect.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

static volatile int signals;
static void count(int number) { (void)number; signals++; }

int main(void)
{
	struct rlimit limit, old, new;

	GIVES("getrlimit NOFILE", getrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK("soft<=hard", limit.rlim_cur <= limit.rlim_max);
	FAILS("getrlimit of nonsense", getrlimit(99, &limit), EINVAL);
	FAILS("getrlimit EFAULT", getrlimit(RLIMIT_NOFILE, (void *)8), EFAULT);

	new = limit;
	new.rlim_cur = 16;
	GIVES("setrlimit NOFILE 16", setrlimit(RLIMIT_NOFILE, &new), 0);
	GIVES("getdtablesize", getdtablesize(), 16);
	GIVES("dup2 to 15", dup2(0, 15), 15);
	FAILS("dup2 to 16", dup2(0, 16), EBADF);
	while (dup(0) >= 0) ;
	CHECK("the table is full: EMFILE", errno == EMFILE);
	FAILS("open without a free number", open("/", O_RDONLY), EMFILE);
	for (int fd = 3; fd < 16; fd++) close(fd);
	new.rlim_cur = new.rlim_max + 1;
	if (new.rlim_max != RLIM_INFINITY) FAILS("soft above hard", setrlimit(RLIMIT_NOFILE, &new), EINVAL);
	GIVES("prlimit gives the old and sets the new", prlimit(0, RLIMIT_NOFILE, &limit, &old), 0);
	CHECK("old soft limit was 16", old.rlim_cur == 16);
	GIVES("getrlimit again", getrlimit(RLIMIT_NOFILE, &new), 0);
	CHECK("as in the beginning", new.rlim_cur == limit.rlim_cur && new.rlim_max == limit.rlim_max);
	FAILS("prlimit of nobody", prlimit(0x3fffffff, RLIMIT_NOFILE, NULL, &old), ESRCH);

	int fd = OPENED("open", open("file", O_CREAT | O_RDWR, 0600));
	signal(SIGXFSZ, count);
	GIVES("getrlimit FSIZE", getrlimit(RLIMIT_FSIZE, &limit), 0);
	new = limit;
	new.rlim_cur = 10;
	/* No line may be said here: the limit holds for standard output too. */
	int set = setrlimit(RLIMIT_FSIZE, &new);
	long across = write(fd, "0123456789ABCDEF", 16);
	long beyond = write(fd, "x", 1);
	int beyond_errno = errno;
	int back = setrlimit(RLIMIT_FSIZE, &limit);
	GIVES("setrlimit FSIZE 10", set, 0);
	GIVES("write across the limit", across, 10);
	GIVES("write beyond the limit", beyond, -1);
	CHECK("errno was EFBIG", beyond_errno == EFBIG);
	GIVES("SIGXFSZ came", signals, 1);
	GIVES("setrlimit FSIZE back", back, 0);
	GIVES("getrlimit NPROC", getrlimit(RLIMIT_NPROC, &limit), 0);
	new = limit;
	new.rlim_cur = 64;
	GIVES("setrlimit NPROC 64", setrlimit(RLIMIT_NPROC, &new), 0);
	GIVES("setrlimit NPROC back", setrlimit(RLIMIT_NPROC, &limit), 0);
	GIVES("setrlimit CORE 0", setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }), 0);
	return finish();
}
