/* Says hello, or shows the last line of a file. */
#include <stdio.h>
#include <string.h>

#ifdef ROOM
/* It is too large to be loaded higher than it was linked for. */
static volatile char room[ROOM];
#endif

int main(int argc, char **argv)
{
	char line[100] = "hello\n";

#ifdef ROOM
	room[argc] = 1;
#endif
	if (argc > 1) {
		FILE *file = fopen(argv[1], "r");
		if (!file) {
			perror(argv[1]);
			return 1;
		}
		while (fgets(line, sizeof line, file))
			;
	}
	fputs(line, stdout);
	return 0;
}
