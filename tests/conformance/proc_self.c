/* What /proc/self says of the program: its name, arguments, environment and memory. */
#include "expect.h"
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static char text[1 << 16];

/* All of a file; the length. */
static long read_all(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long length = 0, count;
	if (fd < 0) return -1;
	while ((count = read(fd, text + length, sizeof text - 1 - length)) > 0) length += count;
	close(fd);
	text[length] = 0;
	return count < 0 ? -1 : length;
}

/* The line of maps whose addresses hold this one: protection, and the name without directories. */
static void say_map(const char *what, const void *place)
{
	char line[PATH_MAX + 128];
	FILE *file = fopen("/proc/self/maps", "r");
	CHECK("maps can be opened", file != NULL);
	while (file && fgets(line, sizeof line, file)) {
		unsigned long start, end, offset, inode, address = (unsigned long)place;
		unsigned major, minor;
		char protection[5], name[PATH_MAX] = "";
		int fields = sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %s", &start, &end, protection, &offset, &major,
			&minor, &inode, name);
		if (fields < 7 || address < start || address >= end) continue;
		char *slash = strrchr(name, '/');
		say("%s: %s %s", what, protection, slash ? slash + 1 : name);
		break;
	}
	if (file) fclose(file);
}

static int written = 1;

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	(void)argc;
	setenv("LATER", "is not told", 1);

	CHECK("cmdline holds the only argument", read_all("/proc/self/cmdline") == (long)strlen(argv[0]) + 1
		&& !strcmp(text, argv[0]));

	long length = read_all("/proc/self/environ");
	int is_whole = length > 0 && text[length - 1] == 0, variables = 0;
	for (char *variable = text; is_whole && variable < text + length; variable += strlen(variable) + 1) {
		variables++;
		if (!strncmp(variable, "LANG=", 5) || !strncmp(variable, "LATER=", 6)) say("environ: %s", variable);
	}
	CHECK("environ ends each variable", is_whole);
	CHECK("environ has several", variables >= 3);

	CHECK("comm", read_all("/proc/self/comm") > 0);
	say("comm: %s", text);

	length = readlink("/proc/self/exe", path, sizeof path - 1);
	CHECK("exe is a link", length > 0);
	path[length > 0 ? length : 0] = 0;
	CHECK("to a path from the root", path[0] == '/');
	CHECK("that ends with the program's name", !strcmp(strrchr(path, '/') + 1, program_invocation_short_name));
	struct stat about;
	GIVES("lstat of exe", lstat("/proc/self/exe", &about), 0);
	CHECK("is a link's", S_ISLNK(about.st_mode));
	FAILS("exe is not written to", open("/proc/self/exe/", O_WRONLY | O_CREAT, 0600), EISDIR);

	int automatic = 3;
	say_map("code", (void *)main);
	say_map("variables", &written);
	say_map("stack", &automatic);
	return finish();
}
