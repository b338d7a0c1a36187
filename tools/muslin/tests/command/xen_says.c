/* Says its words, its variables and where it is, then does what its first word says. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int deep(volatile char *above, long depth)
{
	volatile char here[400];
	here[depth % 400] = above[0];
	return deep(here, depth + 1) + here[1];
}

static int is(const char *word, const char *what)
{
	return !strcmp(word, what);
}

int main(int count, char **words)
{
	char line[256] = "";
	const char *what = count > 1 ? words[1] : "";
	FILE *file = fopen("file", "r");
	volatile char top = 0;

	setbuf(stdout, 0);
	for (int i = 1; i < count; i++)
		printf("<%s>", words[i]);
	for (char **variable = environ; *variable; variable++)
		printf(" <%s>", *variable);
	gethostname(line, sizeof line);
	printf(" on %s", line);
	printf(" in %s", getcwd(line, sizeof line));
	puts(file && fgets(line, sizeof line, file) ? " with a file" : "");
	/* 2020 is gone. */
	if (time(0) < 1600000000)
		puts("no time of day");
	if (is(what, "hear"))
		while (fgets(line, sizeof line, stdin) && printf("heard %s", line) && strcmp(line, "end\n"))
			;
	if (is(what, "sleep"))
		for (;;) {
			sleep(1);
			puts("still here");
		}
	if (is(what, "receive")) {
		struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(9) };
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (bind(fd, (void *)&here, sizeof here) || recv(fd, line, sizeof line, 0) < 1)
			return 1;
		printf("received %s", line);
	}
	if (is(what, "abort"))
		abort();
	if (is(what, "null"))
		*(volatile int *)8 = 1;
	if (is(what, "overflow"))
		return deep(&top, 0);
	return count > 2 ? atoi(words[2]) : 42;
}
