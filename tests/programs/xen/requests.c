/* Asks a server for the same over and over, by several connections at once, and compares the answers.

   requests ADDRESS PORT CONNECTIONS TIMES PATH BODY */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 200
#define ANSWER_BYTES_MAX 4096

struct connection {
	char answer[ANSWER_BYTES_MAX];
	size_t len;
	int asked;
};

static struct connection connections[CONNECTIONS_MAX];
static struct pollfd fds[CONNECTIONS_MAX];

/* Is the answer whole? Then whether it ends with the body; -1 if more comes. */
static int is_right(struct connection *c, const char *body)
{
	char *head, *length;
	size_t bytes;

	c->answer[c->len] = 0;
	head = strstr(c->answer, "\r\n\r\n");
	length = strstr(c->answer, "content-length: ");
	if (!head || !length || length > head)
		return c->len + 1 < sizeof c->answer ? -1 : 0;
	bytes = head + 4 - c->answer + strtoul(length + 16, 0, 10);
	if (c->len < bytes)
		return -1;
	return c->len == bytes && !strncmp(c->answer, "HTTP/1.1 200 ", 13) && !strcmp(head + 4, body);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char request[512];
	int count, times, open, i, answers = 0, wrong = 0;

	if (argc != 7)
		return 2;
	to.sin_addr.s_addr = inet_addr(argv[1]);
	to.sin_port = htons(atoi(argv[2]));
	count = atoi(argv[3]);
	times = atoi(argv[4]);
	if (count > CONNECTIONS_MAX)
		return 2;
	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[5], argv[1]);
	for (i = 0; i < count; i++) {
		fds[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		fds[i].events = POLLIN;
		if (connect(fds[i].fd, (void *)&to, sizeof to)) {
			perror("connect");
			return 1;
		}
	}
	for (i = 0; i < count; i++)
		connections[i].asked = write(fds[i].fd, request, strlen(request)) > 0;
	for (open = count; open > 0;) {
		if (poll(fds, count, 60000) <= 0) {
			printf("%d connections hear nothing\n", open);
			return 1;
		}
		for (i = 0; i < count; i++) {
			struct connection *c = &connections[i];
			ssize_t bytes;
			int right;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			bytes = read(fds[i].fd, c->answer + c->len, sizeof c->answer - 1 - c->len);
			c->len += bytes > 0 ? bytes : 0;
			right = bytes > 0 ? is_right(c, argv[6]) : 0;
			if (right < 0)
				continue;
			answers += bytes > 0;
			wrong += !right;
			c->len = 0;
			if (right && c->asked < times) {
				c->asked++;
				if (write(fds[i].fd, request, strlen(request)) > 0)
					continue;
			}
			close(fds[i].fd);
			fds[i].fd = -1;
			open--;
		}
	}
	printf("%d answers, %d connections, %d wrong\n", answers, count, wrong);
	return wrong != 0;
}
