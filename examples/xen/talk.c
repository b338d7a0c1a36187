/* muslin cc --platform xen --vsock -O2 examples/xen/talk.c -o talk
 *
 * Two guests of one machine talk: sockets of AF_VSOCK, as on Linux. One serves and gives back what it
 * gets; the other sends, and compares what comes back. README.md has the commands.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* <linux/vm_sockets.h> has it, which is not among musl's headers. */
struct sockaddr_vm {
	sa_family_t svm_family;
	unsigned short svm_reserved1;
	unsigned svm_port, svm_cid;
	unsigned char svm_flags, svm_zero[3];
};
#define CID_ANY -1U

#define CLIENTS_MAX 8

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

/* Writes all, to a socket that waits. */
static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t done = send(fd, bytes, len, MSG_NOSIGNAL);
		if (done < 0)
			return -1;
		bytes += done;
		len -= done;
	}
	return 0;
}

/* Gives `clients` guests back what they send, several at a time. */
static int serve(unsigned port, int clients)
{
	struct sockaddr_vm own = { .svm_family = AF_VSOCK, .svm_port = port, .svm_cid = CID_ANY };
	struct pollfd ready[1 + CLIENTS_MAX] = { { .fd = socket(AF_VSOCK, SOCK_STREAM, 0), .events = POLLIN } };
	unsigned guests[1 + CLIENTS_MAX] = { 0 };
	unsigned long counts[1 + CLIENTS_MAX] = { 0 };

	if (ready[0].fd < 0)
		return fail("socket");
	if (bind(ready[0].fd, (void *)&own, sizeof own) != 0 || listen(ready[0].fd, CLIENTS_MAX) != 0)
		return fail("listen");
	printf("listening at port %u\n", port);
	fflush(stdout);
	for (int i = 1; i <= CLIENTS_MAX; i++)
		ready[i].fd = -1;
	while (clients > 0) {
		if (poll(ready, 1 + CLIENTS_MAX, -1) < 0)
			return fail("poll");
		for (int i = 1; i <= CLIENTS_MAX; i++) {
			char bytes[5000];
			ssize_t len;

			if (ready[i].fd < 0 || ready[i].revents == 0)
				continue;
			len = recv(ready[i].fd, bytes, sizeof bytes, 0);
			if (len > 0 && write_all(ready[i].fd, bytes, len) == 0) {
				counts[i] += len;
				continue;
			}
			printf("guest %u sent %lu bytes%s%s\n", guests[i], counts[i], len == 0 ? "" : ": ",
				len == 0 ? "" : strerror(errno));
			fflush(stdout);
			close(ready[i].fd);
			ready[i].fd = -1;
			clients--;
		}
		for (int i = 1; ready[0].revents != 0 && i <= CLIENTS_MAX; i++) {
			struct sockaddr_vm peer;
			socklen_t len = sizeof peer;

			if (ready[i].fd >= 0)
				continue;
			ready[i].fd = accept(ready[0].fd, (void *)&peer, &len);
			if (ready[i].fd < 0)
				return fail("accept");
			ready[i].events = POLLIN;
			ready[i].revents = 0;
			guests[i] = peer.svm_cid;
			counts[i] = 0;
			break;
		}
	}
	return 0;
}

static char of_place(unsigned long at)
{
	return at * 31 + at / 251;
}

/* Sends bytes to a guest and compares what comes back; without a length it waits for what never comes. */
static int talk(unsigned guest, unsigned port, unsigned long length)
{
	struct sockaddr_vm peer = { .svm_family = AF_VSOCK, .svm_port = port, .svm_cid = guest };
	struct sockaddr_vm name = { 0 };
	socklen_t len = sizeof name;
	struct pollfd ready = { .fd = socket(AF_VSOCK, SOCK_STREAM, 0) };
	unsigned long sent = 0, back = 0;
	char bytes[3000];
	int tries = 0;

	if (ready.fd < 0)
		return fail("socket");
	/* The other guest may not be there yet. */
	while (connect(ready.fd, (void *)&peer, sizeof peer) != 0) {
		if (tries++ == 100 || (errno != ECONNRESET && errno != ENODEV))
			return fail("connect");
		usleep(100000);
	}
	if (getpeername(ready.fd, (void *)&name, &len) != 0)
		return fail("getpeername");
	printf("connected with port %u\n", name.svm_port);
	fflush(stdout);
	if (length == 0) {
		ssize_t got = recv(ready.fd, bytes, 1, 0);

		if (got < 0)
			return fail("recv");
		printf("%s\n", got == 0 ? "the end" : "a byte");
		return 0;
	}
	while (back < length || sent < length) {
		ready.events = POLLIN | (sent < length ? POLLOUT : 0);
		if (poll(&ready, 1, -1) < 0)
			return fail("poll");
		if (ready.revents & POLLOUT) {
			size_t count = length - sent < sizeof bytes ? length - sent : sizeof bytes;
			ssize_t done;

			for (size_t i = 0; i < count; i++)
				bytes[i] = of_place(sent + i);
			done = send(ready.fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (done < 0 && errno != EAGAIN)
				return fail("send");
			sent += done < 0 ? 0 : done;
		}
		if (ready.revents & ~POLLOUT) {
			ssize_t done = recv(ready.fd, bytes, sizeof bytes, 0);

			if (done < 0)
				return fail("recv");
			if (done == 0)
				break;
			for (ssize_t i = 0; i < done; i++)
				if (bytes[i] != of_place(back + i))
					return printf("byte %lu is not what was sent\n", back + i);
			back += done;
		}
	}
	if (shutdown(ready.fd, SHUT_WR) != 0)
		return fail("shutdown");
	printf("%lu of %lu bytes came back\n", back, length);
	return back != length;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(atoi(argv[2]), atoi(argv[3]));
	if (argc == 5 && strcmp(argv[1], "send") == 0)
		return talk(atoi(argv[2]), atoi(argv[3]), atol(argv[4]));
	printf("talk serve PORT CLIENTS, or talk send GUEST PORT BYTES\n");
	return 2;
}
