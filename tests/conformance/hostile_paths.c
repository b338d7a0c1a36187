/* Paths that lead nowhere: cycles of links, components and paths that are too long, trees that are
 * deeper than a path can say. */
#include "expect.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEEP 3000

/* The same answer from every call that walks a path. */
static void all_fail(const char *what, const char *path, int error)
{
	struct stat about;
	char text[64];
	say("%s", what);
	FAILS("open", open(path, O_RDONLY), error);
	FAILS("open to make it", open(path, O_RDWR | O_CREAT, 0600), error);
	FAILS("stat", stat(path, &about), error);
	FAILS("access", access(path, F_OK), error);
	FAILS("truncate", truncate(path, 0), error);
	FAILS("chdir", chdir(path), error);
	FAILS("chmod", chmod(path, 0600), error);
	FAILS("getxattr", syscall(SYS_getxattr, path, "user.a", text, sizeof text), error);
}

int main(void)
{
	struct stat about;
	GIVES("a link to itself", symlink("self", "self"), 0);
	GIVES("a cycle", symlink("b", "a") | symlink("c/.", "b") | symlink("../cwd/a", "c"), 0);
	GIVES("a cycle by an absolute path", mkdir("dir", 0700) | symlink("../dir/up/x", "dir/up"), 0);
	all_fail("a link to itself:", "self", ELOOP);
	all_fail("a link to itself, and on:", "self/file", ELOOP);
	all_fail("a cycle:", "dir/up", ELOOP);
	FAILS("O_NOFOLLOW", open("self", O_RDONLY | O_NOFOLLOW), ELOOP);
	GIVES("lstat", lstat("self", &about), 0);
	FAILS("mkdir where a link is", mkdir("self", 0700), EEXIST);
	FAILS("rename below a cycle", rename("self/x", "y"), ELOOP);

	/* As many links as a walk may take, and one more. */
	char name[32], target[32];
	make_file("l0", "found");
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof name, "l%d", i);
		snprintf(target, sizeof target, "l%d", i - 1);
		symlink(target, name);
	}
	GIVES("40 links", access("l40", F_OK), 0);
	FAILS("41 links", access("l41", F_OK), ELOOP);

	static char path[6000];
	memset(path, 'z', 5000);
	path[5000] = 0;
	all_fail("a path of 5,000 bytes:", path, ENAMETOOLONG);
	for (int i = 1; i < 5000; i += 2) path[i] = '/';
	all_fail("a path of 5,000 bytes with short components:", path, ENAMETOOLONG);
	path[4095] = 0;
	all_fail("a path of 4,095 bytes:", path, ENOENT);
	memset(path, '/', 4094);
	path[4094] = '.';
	GIVES("4,095 slashes", access(path, F_OK), 0);
	memset(path, 'z', 256);
	path[256] = 0;
	all_fail("a component of 256 bytes:", path, ENAMETOOLONG);
	path[255] = 0;
	FAILS("a component of 255 bytes", access(path, F_OK), ENOENT);
	GIVES("mkdir", mkdir(path, 0700), 0);
	GIVES("rmdir", rmdir(path), 0);
	FAILS("a link's target of 5,000 bytes", symlink(memset(path, 'a', 5000), "long"), ENAMETOOLONG);

	/* Deeper than a path can say. */
	int deep = 0;
	while (deep < DEEP && mkdir("d", 0700) == 0 && chdir("d") == 0) deep++;
	CHECK("directories in one another", deep == DEEP);
	make_file("bottom", "x");
	GIVES("a file at the bottom", access("bottom", F_OK), 0);
	char *room = malloc(3 * DEEP);
	FAILS("getcwd", syscall(SYS_getcwd, room, 3 * DEEP), ENAMETOOLONG);
	GIVES("unlink", unlink("bottom"), 0);
	while (deep > 0 && chdir("..") == 0 && rmdir("d") == 0) deep--;
	GIVES("all are gone again", deep, 0);
	return finish();
}
