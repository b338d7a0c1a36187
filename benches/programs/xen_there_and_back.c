/* A byte to another guest of Xen and back, by a socket of AF_VSOCK: xen_there_and_back [GUEST]. Without a guest it is
 * the other one. Prints a line: the name, the quickest batch and the one in the middle, in ns. */
#include "measure.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct sockaddr_vm {
	sa_family_t svm_family;
	unsigned short svm_reserved1;
	unsigned svm_port, svm_cid;
	unsigned char svm_flags, svm_zero[3];
};
#define CID_ANY -1U
#define PORT 7

#define BATCHES 20
#define BATCH 50

int main(int argc, char **argv)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_port = PORT, .svm_cid = CID_ANY };
	double took[BATCHES];
	char byte = 1;
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket");
	if (argc < 2) {
		if (bind(fd, (void *)&address, sizeof address) || listen(fd, 1) || (fd = accept(fd, 0, 0)) < 0)
			fail("accept");
		while (recv(fd, &byte, 1, 0) == 1)
			if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
				fail("send");
		return 0;
	}
	address.svm_cid = atoi(argv[1]);
	/* Until the other one listens. */
	for (int tries = 0; connect(fd, (void *)&address, sizeof address); tries++) {
		struct timespec moment = { 0, 100000000 };

		if (tries == 100)
			fail("connect");
		close(fd);
		nanosleep(&moment, 0);
		fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	}
	for (int batch = 0; batch < BATCHES; batch++) {
		double start = now();

		for (int i = 0; i < BATCH; i++)
			if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
				fail("a byte");
		took[batch] = (now() - start) / BATCH;
	}
	print("byte to another guest and back", took, BATCHES);
	return 0;
}
