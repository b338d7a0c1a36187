/* mkdir, rmdir, chdir, getcwd, and reading directories. */
#include "expect.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static int dotless(const struct dirent *entry) { return entry->d_name[0] != '.'; }

int main(void)
{
	char start[4096], here[4096];
	struct stat st;
	umask(022);

	GIVES("mkdir", mkdir("dir", 0777), 0);
	GIVES("mode", (stat("dir", &st), st.st_mode), S_IFDIR | 0755);
	FAILS("mkdir again", mkdir("dir", 0777), EEXIST);
	FAILS("mkdir below nothing", mkdir("no/dir", 0777), ENOENT);
	make_file("file", "x");
	FAILS("mkdir below a file", mkdir("file/dir", 0777), ENOTDIR);
	FAILS("mkdir of an empty name", mkdir("", 0777), ENOENT);
	GIVES("mkdirat", mkdirat(AT_FDCWD, "dir/sub", 0700), 0);
	FAILS("rmdir of a full one", rmdir("dir"), ENOTEMPTY);
	FAILS("rmdir of a file", rmdir("file"), ENOTDIR);
	FAILS("rmdir of nothing", rmdir("nothing"), ENOENT);
	FAILS("rmdir of .", rmdir("dir/."), EINVAL);

	CHECK("getcwd", getcwd(start, sizeof start) == start && start[0] == '/');
	CHECK("getcwd with little room: ERANGE", !getcwd(here, 2) && errno == ERANGE);
	CHECK("getcwd with no room: EINVAL", !getcwd(here, 0) && errno == EINVAL);
	char *given = getcwd(NULL, 0);
	CHECK("getcwd allocates", given && strcmp(given, start) == 0);
	free(given);
	int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	GIVES("chdir", chdir("dir/sub"), 0);
	CHECK("getcwd is deeper", getcwd(here, sizeof here) && strcmp(here + strlen(here) - 8, "/dir/sub") == 0);
	FAILS("chdir nowhere", chdir("nowhere"), ENOENT);
	GIVES("chdir ..", chdir(".."), 0);
	GIVES("fchdir", fchdir(root), 0);
	CHECK("back again", getcwd(here, sizeof here) && strcmp(here, start) == 0);
	FAILS("chdir to a file", chdir("file"), ENOTDIR);
	FAILS("fchdir to a file", fchdir(0), ENOTDIR);
	FAILS("fchdir EBADF", fchdir(-1), EBADF);

	for (int i = 0; i < 300; i++) {
		char name[32];
		snprintf(name, sizeof name, "dir/entry-%03d", i);
		make_file(name, "");
	}
	symlink("x", "dir/link");
	DIR *dir = opendir("dir");
	CHECK("opendir", dir != NULL);
	int seen = 0, files = 0, directories = 0, links = 0;
	struct dirent *entry;
	errno = 0;
	while ((entry = readdir(dir))) {
		seen++;
		files += entry->d_type == DT_REG;
		directories += entry->d_type == DT_DIR;
		links += entry->d_type == DT_LNK;
	}
	GIVES("errno at the end of readdir", errno, 0);
	say("%d entries: %d files, %d directories, %d links", seen, files, directories, links);
	rewinddir(dir);
	long place = telldir(dir);
	CHECK("rewinddir", readdir(dir) != NULL);
	seekdir(dir, place);
	for (seen = 0; readdir(dir); seen++) ;
	say("%d entries after seekdir", seen);
	CHECK("dirfd", dirfd(dir) >= 0 && (fcntl(dirfd(dir), F_GETFD) & FD_CLOEXEC));
	GIVES("closedir", closedir(dir), 0);
	CHECK("opendir of nothing", !opendir("nothing") && errno == ENOENT);
	CHECK("opendir of a file", !opendir("file") && errno == ENOTDIR);
	CHECK("fdopendir of a file", !fdopendir(0) && errno == ENOTDIR);

	struct dirent **list;
	int count = scandir("dir", &list, dotless, alphasort);
	say("scandir: %d, first %s, last %s", count, list[0]->d_name, list[count - 1]->d_name);

	char small[8];
	int fd = open("dir", O_RDONLY | O_DIRECTORY);
	FAILS("getdents with little room", getdents(fd, (void *)small, sizeof small), EINVAL);
	FAILS("getdents of a file", getdents(0, (void *)here, sizeof here), ENOTDIR);
	FAILS("getdents EBADF", getdents(-1, (void *)here, sizeof here), EBADF);

	GIVES("rmdir of an open one", rmdir("dir/sub"), 0);
	mkdir("gone", 0755);
	chdir("gone");
	GIVES("rmdir of the current one", rmdir("../gone"), 0);
	CHECK("getcwd fails", !getcwd(here, sizeof here) && errno == ENOENT);
	FAILS("nothing can be made there", mkdir("new", 0777), ENOENT);
	GIVES("fchdir out of it", fchdir(root), 0);
	return finish();
}
