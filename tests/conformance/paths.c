/* Paths: realpath, ftw, nftw, glob, fnmatch, and every way a path can be wrong. */
#include "expect.h"
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

static int files, directories, links;
static int visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)path;
	(void)st;
	(void)where;
	files += type == FTW_F;
	directories += type == FTW_D || type == FTW_DP;
	links += type == FTW_SL;
	return 0;
}
static int stop(const char *path, const struct stat *st, int type)
{
	(void)path;
	(void)st;
	return type == FTW_F ? 42 : 0;
}

int main(void)
{
	char start[PATH_MAX], path[PATH_MAX], name[5000];
	getcwd(start, sizeof start);
	size_t length = strlen(start);
	mkdir("a", 0755);
	mkdir("a/b", 0755);
	make_file("a/b/one.c", "");
	make_file("a/b/two.c", "");
	make_file("a/b/three.h", "");
	symlink("b", "a/to-b");
	symlink("../nothing", "a/dangling");
	symlink("round", "round");

	CHECK("realpath", realpath("a/./to-b/../b//one.c", path) == path);
	say("realpath: %s", path + length);
	char *given = realpath(".", NULL);
	CHECK("realpath allocates", given && strcmp(given, start) == 0);
	free(given);
	CHECK("realpath of /", realpath("/../..", path) && strcmp(path, "/") == 0);
	CHECK("realpath of nothing", !realpath("a/nothing", path) && errno == ENOENT);
	CHECK("realpath of a dangling link", !realpath("a/dangling", path) && errno == ENOENT);
	CHECK("realpath of a loop", !realpath("round", path) && errno == ELOOP);
	CHECK("realpath of an empty path", !realpath("", path) && errno == ENOENT);
	CHECK("realpath of NULL", !realpath(NULL, path) && errno == EINVAL);
	CHECK("realpath below a file", !realpath("a/b/one.c/..", path) && errno == ENOTDIR);

	GIVES("nftw FTW_PHYS", nftw("a", visit, 8, FTW_PHYS), 0);
	say("%d files, %d directories, %d links", files, directories, links);
	GIVES("nftw FTW_DEPTH", nftw("a", visit, 8, FTW_PHYS | FTW_DEPTH), 0);
	say("%d files, %d directories, %d links", files, directories, links);
	GIVES("ftw that stops", ftw("a", stop, 8), 42);
	FAILS("ftw of nothing", ftw("nothing", stop, 8), ENOENT);

	glob_t found;
	GIVES("glob", glob("a/b/*.c", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) say("glob: %s", found.gl_pathv[i]);
	globfree(&found);
	GIVES("glob of nothing", glob("a/b/*.x", 0, NULL, &found), GLOB_NOMATCH);
	GIVES("glob a level down", glob("*/*/t*", GLOB_MARK, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) say("glob: %s", found.gl_pathv[i]);
	globfree(&found);
	GIVES("fnmatch", fnmatch("[a-c]*.?", "b23.c", 0), 0);
	GIVES("fnmatch FNM_PATHNAME", fnmatch("*", "a/b", FNM_PATHNAME), FNM_NOMATCH);
	char first[] = "/usr/lib/", second[] = "/usr/lib/";
	say("dirname %s basename %s", dirname(first), basename(second));

	memset(name, 'n', sizeof name);
	name[255] = 0;
	CHECK("a name of 255 bytes", close(open(name, O_CREAT | O_WRONLY, 0600)) == 0);
	name[255] = 'n';
	name[256] = 0;
	FAILS("a name of 256 bytes", open(name, O_CREAT | O_WRONLY, 0600), ENAMETOOLONG);
	FAILS("mkdir with it", mkdir(name, 0700), ENAMETOOLONG);
	for (int i = 0; i < 4998; i += 2) memcpy(name + i, "./", 2);
	name[4094] = 0;
	GIVES("a path of 4094 bytes", access(name, F_OK), 0);
	name[4094] = '.';
	name[4096] = 0;
	FAILS("a path of 4096 bytes", access(name, F_OK), ENAMETOOLONG);
	FAILS("symlink with it", symlink(name, "long"), ENAMETOOLONG);
	FAILS("chdir with it", chdir(name), ENAMETOOLONG);
	return finish();
}
