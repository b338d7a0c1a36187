// stdin: first line\nsecond line\n42 rest
/* Standard input, output and error: what is given is read, by stdio and below it. */
#include "expect.h"
#include <fcntl.h>

int main(void)
{
	char line[64] = "";
	int number = 0;
	CHECK("fgets", fgets(line, sizeof line, stdin) == line);
	say("%.10s", line);
	GIVES("getchar", getchar(), 's');
	GIVES("stdio has read it all", lseek(0, 0, SEEK_CUR), 30);
	CHECK("fgets", fgets(line, sizeof line, stdin) == line);
	GIVES("scanf", scanf("%d", &number), 1);
	GIVES("number", number, 42);
	GIVES("fread to the end", fread(line, 1, sizeof line, stdin), 5);
	CHECK("end of file", feof(stdin) && getchar() == EOF);
	GIVES("rewind and read", (rewind(stdin), read(0, line, 5)), 5);
	say("%.5s", line);
	GIVES("puts", puts("by puts") >= 0, 1);
	GIVES("fflush", fflush(stdout), 0);
	GIVES("putchar without a buffer", (setvbuf(stdout, NULL, _IONBF, 0), putchar('!')), '!');
	GIVES("a new line", putchar('\n'), '\n');
	errno = ENOENT;
	perror("perror");
	GIVES("standard error has no buffer", fputs("to standard error\n", stderr) >= 0, 1);
	GIVES("fileno", fileno(stderr), 2);
	GIVES("fclose of stdin", fclose(stdin), 0);
	FAILS("the number is free", read(0, line, 1), EBADF);
	GIVES("open takes the lowest", open("/dev/null", O_RDONLY), 0);
	return finish();
}
