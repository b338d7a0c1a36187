/* What sockets of AF_VSOCK answer when nobody is at the other end: as Linux's do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "xen_vsock.h"

static int wrong;

static void gives(int line, long got, int expected)
{
	if (expected < 0 ? got != -1 || errno != -expected : got != expected) {
		printf("line %d: %ld (%s), not %d\n", line, got, strerror(errno), expected);
		wrong = 1;
	}
}
#define GIVES(call, expected) gives(__LINE__, call, expected)

static struct sockaddr_vm name(unsigned cid, unsigned port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static int named(int (*call)(int, const struct sockaddr *, socklen_t), int fd, unsigned cid, unsigned port)
{
	struct sockaddr_vm address = name(cid, port);

	return call(fd, (void *)&address, sizeof address);
}

int main(void)
{
	int one = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0), other = socket(AF_VSOCK, SOCK_STREAM, 0);
	struct pollfd ready = { .events = POLLIN | POLLOUT };
	struct sockaddr_vm address = { 0 };
	socklen_t len = sizeof address;
	struct timeval limit = { .tv_usec = 50000 };
	uint64_t bytes = 0;
	unsigned own = 0;
	struct stat stat;
	int value;

	GIVES(one >= 0 && other >= 0, 1);
	GIVES(socket(AF_VSOCK, SOCK_DGRAM, 0), -ESOCKTNOSUPPORT);
	GIVES(socket(AF_VSOCK, SOCK_STREAM, 1), -EPROTONOSUPPORT);
	GIVES(fstat(one, &stat), 0);
	GIVES(S_ISSOCK(stat.st_mode), 1);
	GIVES(ioctl(one, 0x7b9, &own), 0);
	GIVES(own > 0, 1);

	/* Names. */
	GIVES(listen(one, 1), -EINVAL);
	GIVES(named(bind, one, own + 1, 9), -EADDRNOTAVAIL);
	GIVES(bind(one, (void *)&address, 4), -EINVAL);
	GIVES(bind(one, (void *)&address, sizeof address), -EAFNOSUPPORT);
	GIVES(named(bind, one, ANY, 9), 0);
	GIVES(named(bind, one, ANY, 10), -EINVAL);
	GIVES(named(bind, other, own, 9), -EADDRINUSE);
	GIVES(getsockname(one, (void *)&address, &len), 0);
	GIVES(len == sizeof address && address.svm_port == 9 && address.svm_cid == ANY, 1);
	GIVES(getpeername(one, (void *)&address, &len), -ENOTCONN);

	/* Options. */
	len = sizeof bytes;
	GIVES(getsockopt(one, AF_VSOCK, 0, &bytes, &len), 0);
	GIVES(len == sizeof bytes && bytes == 16384, 1);
	bytes = 1000;
	GIVES(setsockopt(one, AF_VSOCK, 0, &bytes, sizeof bytes), 0);
	GIVES(setsockopt(one, AF_VSOCK, 0, &bytes, 3), -EINVAL);
	GIVES(setsockopt(one, SOL_SOCKET, SO_BROADCAST, &value, sizeof value), -ENOPROTOOPT);
	len = sizeof value;
	GIVES(getsockopt(one, SOL_SOCKET, SO_DOMAIN, &value, &len), 0);
	GIVES(value, AF_VSOCK);

	/* Nobody comes. */
	GIVES(accept(one, NULL, NULL), -EINVAL);
	GIVES(listen(one, 3), 0);
	GIVES(getsockopt(one, SOL_SOCKET, SO_ACCEPTCONN, &value, &len), 0);
	GIVES(value, 1);
	GIVES(accept(one, NULL, NULL), -EAGAIN);
	GIVES(fcntl(one, F_SETFL, 0), 0);
	GIVES(setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	GIVES(accept(one, NULL, NULL), -EAGAIN);
	ready.fd = one;
	GIVES(poll(&ready, 1, 20), 0);
	GIVES(named(connect, one, 0, 9), -EINVAL);
	GIVES(shutdown(one, SHUT_WR), -ENOTCONN);

	/* Nobody is there. */
	GIVES(read(other, &value, 1), -ENOTCONN);
	GIVES(send(other, "", 1, MSG_NOSIGNAL), -ENOTCONN);
	GIVES(named(connect, other, own, 9), -ENODEV);
	GIVES(named(connect, other, 0, 11), -ECONNRESET);
	GIVES(named(connect, other, own + 1000, 11), -ECONNRESET);
	GIVES(fcntl(other, F_SETFL, O_NONBLOCK), 0);
	GIVES(named(connect, other, 0, 11), -ECONNRESET);

	/* Who has tried has a port. A port is free again when its listener is closed. */
	GIVES(named(bind, other, ANY, 12), -EINVAL);
	GIVES(close(other), 0);
	other = socket(AF_VSOCK, SOCK_STREAM, 0);
	GIVES(named(bind, other, ANY, 9), -EADDRINUSE);
	GIVES(close(one), 0);
	GIVES(named(bind, other, ANY, 9), 0);
	GIVES(listen(other, 1), 0);
	GIVES(close(other), 0);
	GIVES(socketpair(AF_VSOCK, SOCK_STREAM, 0, (int[2]){ 0 }), -EOPNOTSUPP);
	GIVES(socket(AF_UNIX, SOCK_STREAM, 0) >= 0, 1);
	puts(wrong ? "wrong" : "right");
	return wrong;
}
