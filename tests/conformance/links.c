/* link, symlink, readlink, rename, unlink and their *at forms. */
#include "expect.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void)
{
	char text[64];
	struct stat a, b;
	make_file("file", "hello");

	GIVES("link", link("file", "hard"), 0);
	stat("file", &a);
	stat("hard", &b);
	CHECK("one file with two names", a.st_ino == b.st_ino && a.st_nlink == 2);
	FAILS("link to an existing name", link("file", "hard"), EEXIST);
	FAILS("link of nothing", link("nothing", "other"), ENOENT);

	GIVES("symlink", symlink("file", "soft"), 0);
	FAILS("symlink over a name", symlink("file", "soft"), EEXIST);
	FAILS("symlink of an empty text", symlink("", "empty"), ENOENT);
	GIVES("readlink", readlink("soft", text, sizeof text), 4);
	say("soft -> %.4s", text);
	GIVES("readlink cuts", readlink("soft", text, 2), 2);
	GIVES("readlink without room", readlink("soft", text, 0), 0);
	FAILS("readlink of a file", readlink("file", text, sizeof text), EINVAL);
	FAILS("readlink of nothing", readlink("nothing", text, sizeof text), ENOENT);
	GIVES("lstat", lstat("soft", &b), 0);
	CHECK("lstat sees the link, its size is its text", S_ISLNK(b.st_mode) && b.st_size == 4);
	GIVES("stat", stat("soft", &b), 0);
	CHECK("stat sees the file", S_ISREG(b.st_mode) && b.st_ino == a.st_ino);
	GIVES("dangling symlink", symlink("nothing", "dangling"), 0);
	FAILS("stat of it", stat("dangling", &b), ENOENT);
	GIVES("linkat does not follow", linkat(AT_FDCWD, "dangling", AT_FDCWD, "dangling2", 0), 0);
	FAILS("linkat follows", linkat(AT_FDCWD, "dangling", AT_FDCWD, "dangling3", AT_SYMLINK_FOLLOW), ENOENT);
	GIVES("loop a", symlink("loop-b", "loop-a"), 0);
	GIVES("loop b", symlink("loop-a", "loop-b"), 0);
	FAILS("stat of a loop", stat("loop-a", &b), ELOOP);
	FAILS("open of a loop", open("loop-a", O_RDONLY), ELOOP);

	GIVES("rename", rename("hard", "renamed"), 0);
	FAILS("the old name is gone", access("hard", F_OK), ENOENT);
	make_file("target", "old");
	GIVES("rename over a file", rename("renamed", "target"), 0);
	GIVES("size of the target", (stat("target", &b), b.st_size), 5);
	GIVES("rename of two names of one file", rename("file", "target"), 0);
	GIVES("both names stay", access("file", F_OK), 0);
	FAILS("rename of nothing", rename("nothing", "x"), ENOENT);
	mkdir("dir", 0755);
	mkdir("full", 0755);
	make_file("full/inner", "x");
	FAILS("rename of a file over a directory", rename("file", "dir"), EISDIR);
	FAILS("rename of a directory over a file", rename("dir", "file"), ENOTDIR);
	FAILS("rename over a full directory", rename("dir", "full"), ENOTEMPTY);
	FAILS("rename into itself", rename("full", "full/below"), EINVAL);
	GIVES("renameat2 without flags", syscall(SYS_renameat2, AT_FDCWD, "target", AT_FDCWD, "target2", 0), 0);
	FAILS("renameat2 of nonsense", syscall(SYS_renameat2, AT_FDCWD, "target2", AT_FDCWD, "t", 0x4000), EINVAL);
	int dir = open("full", O_RDONLY | O_DIRECTORY);
	GIVES("renameat", renameat(dir, "inner", AT_FDCWD, "outer"), 0);
	GIVES("symlinkat", symlinkat("text", dir, "soft"), 0);
	GIVES("readlinkat", readlinkat(dir, "soft", text, sizeof text), 4);

	GIVES("unlink", unlink("outer"), 0);
	FAILS("unlink again", unlink("outer"), ENOENT);
	FAILS("unlink of a directory", unlink("dir"), EISDIR);
	GIVES("unlinkat", unlinkat(dir, "soft", 0), 0);
	GIVES("unlinkat AT_REMOVEDIR", unlinkat(AT_FDCWD, "full", AT_REMOVEDIR), 0);
	FAILS("unlinkat of nonsense", unlinkat(AT_FDCWD, "dir", 0x1), EINVAL);
	GIVES("remove a file", remove("target2"), 0);
	GIVES("remove a directory", remove("dir"), 0);
	FAILS("remove nothing", remove("dir"), ENOENT);

	int fd = open("file", O_RDONLY);
	GIVES("unlink an open file", unlink("file"), 0);
	GIVES("it can still be read", read(fd, text, 64), 5);
	GIVES("and has no name", (fstat(fd, &b), b.st_nlink), 0);
	return finish();
}
