/* mkstemp, mkostemps, mkdtemp, tmpfile, tempnam, O_TMPFILE's relatives. */
#include "expect.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	char name[] = "fileXXXXXX", other[] = "fileXXXXXX", suffix[] = "aXXXXXX.txt", dir[] = "dirXXXXXX", bad[] = "noXX";
	struct stat st;
	umask(022);

	int fd = OPENED("mkstemp", mkstemp(name));
	GIVES("mode", (fstat(fd, &st), st.st_mode), S_IFREG | 0600);
	CHECK("the name is filled in", strchr(name, 'X') == NULL || strcmp(name, "fileXXXXXX") != 0);
	GIVES("it is there", access(name, R_OK | W_OK), 0);
	OPENED("mkstemp again", mkstemp(other));
	CHECK("another name", strcmp(name, other) != 0);
	fd = OPENED("mkostemps", mkostemps(suffix, 4, O_CLOEXEC | O_APPEND));
	CHECK("the suffix stays", strcmp(suffix + 7, ".txt") == 0);
	GIVES("its flags", fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	FAILS("mkstemp without XXXXXX", mkstemp(bad), EINVAL);
	CHECK("mkdtemp", mkdtemp(dir) == dir);
	GIVES("mode", (stat(dir, &st), st.st_mode), S_IFDIR | 0700);
	CHECK("mkdtemp without XXXXXX", !mkdtemp(bad) && errno == EINVAL);
	char nowhere[] = "nowhere/XXXXXX";
	FAILS("mkstemp nowhere", mkstemp(nowhere), ENOENT);

	FILE *file = tmpfile();
	CHECK("tmpfile", file != NULL);
	GIVES("no name", (fstat(fileno(file), &st), st.st_nlink), 0);
	GIVES("fputs", fputs("text", file) >= 0, 1);
	rewind(file);
	GIVES("getc", getc(file), 't');
	GIVES("fclose", fclose(file), 0);
	char *path = tempnam(".", "pre");
	CHECK("tempnam", path && access(path, F_OK) == -1);
	free(path);
	return finish();
}
