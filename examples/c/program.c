/* An ordinary program that knows nothing of handlers: says how long files are and what they begin
 * with.
 *
 *     muslin-cc examples/c/program.c -o program && ./program /etc/hostname
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	int failures = 0;
	for (int i = 1; i < argc; i++) {
		char line[80] = "";
		struct stat facts;
		FILE *file = fopen(argv[i], "r");
		if (!file || stat(argv[i], &facts)) {
			printf("%s: %s\n", argv[i], strerror(errno));
			failures++;
		} else {
			long bytes = 0;
			if (fgets(line, sizeof line, file)) line[strcspn(line, "\n")] = 0;
			rewind(file);
			while (getc(file) != EOF) bytes++;
			printf("%s: %ld bytes of %ld, \"%s\"\n", argv[i], bytes, (long)facts.st_size, line);
		}
		if (file) fclose(file);
	}
	return failures != 0;
}
