/* Locks within one process: those of open file descriptions stand in each other's way and in the
 * process's, and go with the description; the process's go with any descriptor of the file. */
#include "expect.h"
#include <fcntl.h>
#include <sys/file.h>

static int set(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
	return fcntl(fd, command, &lock);
}

static void test(const char *what, int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
	int result = fcntl(fd, command, &lock);
	const char *pid = lock.l_pid == getpid() ? "this process" : lock.l_pid == -1 ? "a description" : "none";
	if (result || lock.l_type == F_UNLCK) say("%s: %d, free", what, result);
	else say("%s: %s from %ld, %ld bytes, whence %d, of %s", what, lock.l_type == F_RDLCK ? "read" : "write",
		(long)lock.l_start, (long)lock.l_len, lock.l_whence, pid);
}

int main(void)
{
	make_file("file", "some text to be locked");
	int one = open("file", O_RDWR), two = open("file", O_RDWR), same = dup(one);
	GIVES("a description's lock", set(one, F_OFD_SETLK, F_WRLCK, 10, 10), 0);
	FAILS("another's", set(two, F_OFD_SETLK, F_WRLCK, 15, 1), EAGAIN);
	FAILS("another's to read", set(two, F_OFD_SETLK, F_RDLCK, 0, 0), EAGAIN);
	GIVES("by another descriptor of the same", set(same, F_OFD_SETLK, F_WRLCK, 5, 10), 0);
	GIVES("another's beside it", set(two, F_OFD_SETLK, F_WRLCK, 20, 10), 0);
	FAILS("the process's", set(one, F_SETLK, F_RDLCK, 19, 1), EAGAIN);
	GIVES("the process's beside it", set(one, F_SETLK, F_WRLCK, 0, 5), 0);
	GIVES("and again, by another descriptor", set(two, F_SETLK, F_WRLCK, 2, 3), 0);
	test("what stands in the way of one", one, F_OFD_GETLK, F_WRLCK, 5, 0);
	test("what stands in the way of two", two, F_OFD_GETLK, F_WRLCK, 6, 100);
	test("what stands in the way of the process", one, F_GETLK, F_RDLCK, 0, 0);
	test("nothing", one, F_GETLK, F_RDLCK, 100, 10);
	GIVES("a piece is given back", set(one, F_OFD_SETLK, F_UNLCK, 8, 2), 0);
	GIVES("and taken", set(two, F_OFD_SETLK, F_RDLCK, 8, 2), 0);
	test("what is left of it", two, F_OFD_GETLK, F_WRLCK, 5, 4);
	test("and behind it", two, F_OFD_GETLK, F_WRLCK, 10, 4);
	GIVES("to read instead of to write", set(one, F_OFD_SETLK, F_RDLCK, 10, 10), 0);
	GIVES("both read", set(two, F_OFD_SETLK, F_RDLCK, 10, 10), 0);
	FAILS("one writes", set(one, F_OFD_SETLK, F_WRLCK, 10, 10), EAGAIN);
	GIVES("a negative length", set(one, F_OFD_SETLK, F_WRLCK, 210, -10), 0);
	test("where that is", two, F_OFD_GETLK, F_RDLCK, 190, 100);
	GIVES("to the end of all", set(two, F_OFD_SETLK, F_WRLCK, 1000, 0), 0);
	test("how long that is", one, F_OFD_GETLK, F_RDLCK, 5000, 1);
	FAILS("before the start", set(one, F_OFD_SETLK, F_WRLCK, 5, -10), EINVAL);
	FAILS("a description's with a pid", ({ struct flock lock = { .l_type = F_WRLCK, .l_pid = 1 };
		fcntl(one, F_OFD_SETLK, &lock); }), EINVAL);
	FAILS("F_GETLK of nothing", ({ struct flock lock = { .l_type = F_UNLCK };
		fcntl(one, F_GETLK, &lock); }), EINVAL);

	int three = open("file", O_RDONLY);
	GIVES("closing a third", close(three), 0);
	test("took the process's locks away", one, F_OFD_GETLK, F_WRLCK, 0, 5);
	GIVES("closing one of two descriptors", close(same), 0);
	test("left those of the description", two, F_OFD_GETLK, F_RDLCK, 200, 10);
	GIVES("closing the last", close(one), 0);
	test("did not", two, F_OFD_GETLK, F_RDLCK, 200, 10);
	GIVES("the process's again", set(two, F_SETLK, F_RDLCK, 300, 10), 0);
	one = open("file", O_RDWR);
	GIVES("dup2 over a descriptor", dup2(0, two), two);
	test("took them away", one, F_OFD_GETLK, F_WRLCK, 300, 10);
	int pipes[2];
	GIVES("pipe", pipe(pipes), 0);
	GIVES("lockf", (lseek(one, 4, SEEK_SET), lockf(one, F_LOCK, -4)), 0);
	two = open("file", O_RDWR);
	test("what lockf locked", two, F_OFD_GETLK, F_WRLCK, 0, 0);
	return finish();
}
