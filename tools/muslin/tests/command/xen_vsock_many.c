/* As many connections as a guest has grants and event channels for: many serve PORT keeps each until the other side
 * closes it; many come CID PORT makes them until one fails, closes some, and comes again. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "xen_vsock.h"

/* More than there can be, and how many are closed. */
enum { MOST = 1100, SOME = 4 };

static int serve(struct sockaddr_vm *name)
{
	struct pollfd all[MOST + 1] = { { socket(AF_VSOCK, SOCK_STREAM, 0), POLLIN, 0 } };
	int count = 1, closed = 0;

	if (bind(all[0].fd, (void *)name, sizeof *name) || listen(all[0].fd, 4))
		return 1;
	printf("listens\n");
	/* All are closed at the end. */
	while (count == 1 || closed < count - 1) {
		if (poll(all, count, -1) < 0)
			return 1;
		for (int i = 1; i < count; i++)
			if (all[i].revents) {
				close(all[i].fd);
				all[i].fd = -1;
				closed++;
			}
		if (all[0].revents && count <= MOST) {
			all[count] = (struct pollfd){ accept(all[0].fd, 0, 0), POLLIN, 0 };
			if (all[count].fd < 0)
				return 1;
			count++;
		}
	}
	return 0;
}

static int come(struct sockaddr_vm *name)
{
	int all[MOST], count = 0;

	for (; count < MOST; count++) {
		all[count] = socket(AF_VSOCK, SOCK_STREAM, 0);
		if (connect(all[count], (void *)name, sizeof *name))
			break;
	}
	printf("%s connected, then: %s\n", count > 50 && count < MOST ? "many" : "few, or all", strerror(errno));
	for (int i = 0; i < SOME; i++)
		close(all[i]);
	for (int tries = 0; tries < 20; tries++) {
		int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

		if (!connect(fd, (void *)name, sizeof *name)) {
			printf("connected again\n");
			return 0;
		}
		close(fd);
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_vm name = { .svm_family = AF_VSOCK, .svm_cid = ANY };

	setbuf(stdout, 0);
	if (argc < 3)
		return 2;
	name.svm_port = atoi(argv[argc - 1]);
	if (!strcmp(argv[1], "serve"))
		return serve(&name);
	name.svm_cid = atoi(argv[2]);
	return come(&name);
}
