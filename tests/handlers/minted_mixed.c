/* Descriptors of a handler's making are descriptors: what programs do with one, one thread alone. */
#include "check.h"
#include "echo_object.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define close_range(first, last, flags) syscall(SYS_close_range, first, last, flags)
#define CLOSE_RANGE_CLOEXEC 4

static int ready(int fd)
{
	struct pollfd one = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };
	poll(&one, 1, 0);
	return one.revents;
}

static int lowest(void)
{
	int fd = dup(0);
	close(fd);
	return fd;
}

static void bytes(void)
{
	static struct echo echo;
	int next = lowest(), fd = echo_mint(&echo, O_NONBLOCK);
	char text[16] = { 0 };
	GIVES(fd, next);
	GIVES(muslin_fd_flags(fd) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_RDWR);
	GIVES(muslin_fd_flags(999), -EBADF);
	FAILS(read(fd, text, 4), EAGAIN);
	GIVES(write(fd, "abc", 3), 3);
	GIVES(read(fd, text, 16), 3);
	CHECK(!memcmp(text, "abc", 3));
	struct iovec pieces[3] = { { "12", 2 }, { "345", 3 }, { "6789x", 5 } };
	GIVES(writev(fd, pieces, 3), 8);
	FAILS(write(fd, "z", 1), EAGAIN);
	struct iovec places[2] = { { text, 3 }, { text + 8, 4 } };
	GIVES(readv(fd, places, 2), 7);
	CHECK(!memcmp(text, "123", 3) && !memcmp(text + 8, "4567", 4));
	int count = 0;
	GIVES(ioctl(fd, FIONREAD, &count), 0);
	GIVES(count, 1);
	FAILS(ioctl(fd, 0x5401, text), ENOTTY);
	GIVES(preadv2(fd, places, 2, -1, 0), 1);
	FAILS(preadv2(fd, places, 2, 5, 0), ESPIPE);
	FAILS(pread(fd, text, 1, 0), ESPIPE);
	FAILS(pwrite(fd, text, 1, 0), ESPIPE);
	FAILS(lseek(fd, 0, SEEK_CUR), ESPIPE);
	FAILS(readv(fd, places, 2000), EINVAL);
	FAILS(read(fd, 0, 1), EFAULT);
	FAILS(ftruncate(fd, 0), EINVAL);
	FAILS(send(fd, "x", 1, 0), ENOTSOCK);
	FAILS(recv(fd, text, 1, 0), ENOTSOCK);
	FAILS(listen(fd, 1), ENOTSOCK);
	GIVES(close(fd), 0);
	FAILS(close(fd), EBADF);
	FAILS(read(fd, text, 1), EBADF);
	GIVES(echo.closed, 1);
	GIVES(echo.references, 0);
	muslin_file_release(echo.file);
}

static void readiness(void)
{
	static struct echo echo;
	int fd = echo_mint(&echo, O_NONBLOCK), pipes[2];
	char text[16];
	GIVES(pipe(pipes), 0);
	int level = epoll_create1(0), edge = epoll_create1(0), once = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP }, got[4];
	GIVES(ready(fd), POLLOUT);
	GIVES(epoll_ctl(level, EPOLL_CTL_ADD, fd, &event), 0);
	event.events |= EPOLLET;
	GIVES(epoll_ctl(edge, EPOLL_CTL_ADD, fd, &event), 0);
	event.events = EPOLLIN | EPOLLONESHOT;
	GIVES(epoll_ctl(once, EPOLL_CTL_ADD, fd, &event), 0);
	event.events = EPOLLIN;
	event.data.fd = pipes[0];
	GIVES(epoll_ctl(level, EPOLL_CTL_ADD, pipes[0], &event), 0);

	GIVES(epoll_wait(edge, got, 4, 0), 1);
	GIVES(got[0].events, EPOLLOUT);
	GIVES(epoll_wait(edge, got, 4, 0), 0);
	GIVES(write(fd, "ab", 2), 2);
	GIVES(ready(fd), POLLIN | POLLOUT);
	GIVES(epoll_wait(edge, got, 4, 0), 1);
	GIVES(got[0].events, EPOLLIN | EPOLLOUT);
	GIVES(epoll_wait(edge, got, 4, 0), 0);
	/* More has come: an edge, though the level is the same. */
	GIVES(write(fd, "c", 1), 1);
	GIVES(epoll_wait(edge, got, 4, 0), 1);
	for (int i = 0; i < 20; i++) {
		GIVES(read(fd, text, 1), 1);
		GIVES(write(fd, "d", 1), 1);
		GIVES(epoll_wait(edge, got, 4, 0), 1);
	}
	GIVES(epoll_wait(once, got, 4, 0), 1);
	GIVES(epoll_wait(once, got, 4, 0), 0);
	/* Full. */
	GIVES(write(fd, "123456789", 9), 5);
	GIVES(ready(fd), POLLIN);
	GIVES(write(pipes[1], "x", 1), 1);
	GIVES(epoll_wait(level, got, 4, 0), 2);
	GIVES(read(pipes[0], text, 1), 1);
	GIVES(epoll_wait(level, got, 4, 0), 1);
	GIVES(got[0].events, EPOLLIN);
	GIVES(epoll_wait(edge, got, 4, 0), 1);
	GIVES(read(fd, text, 16), 8);
	GIVES(ready(fd), POLLOUT);
	GIVES(epoll_wait(edge, got, 4, 0), 1);
	GIVES(got[0].events, EPOLLOUT);
	GIVES(epoll_wait(level, got, 4, 0), 1);
	GIVES(got[0].events, EPOLLOUT);

	fd_set in, out;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(pipes[0], &in);
	FD_SET(fd, &out);
	struct timeval none = { 0, 0 };
	GIVES(select(fd + 10, &in, &out, 0, &none), 1);
	CHECK(FD_ISSET(fd, &out) && !FD_ISSET(fd, &in));

	/* An error shows until it is taken, with whatever else there is. */
	muslin_lock(&echo.lock);
	echo.error = ECONNREFUSED;
	echo_changed(&echo, POLLERR);
	muslin_unlock(&echo.lock);
	GIVES(ready(fd), POLLOUT | POLLERR);
	GIVES(write(fd, "e", 1), 1);
	GIVES(ready(fd), POLLIN | POLLOUT | POLLERR);
	GIVES(read(fd, text, 4), 1);
	GIVES(ready(fd), POLLOUT | POLLERR);
	FAILS(read(fd, text, 4), ECONNREFUSED);
	GIVES(ready(fd), POLLOUT);
	GIVES(write(fd, "12345678", 8), 8);
	GIVES(ready(fd), POLLIN);
	muslin_lock(&echo.lock);
	echo.is_over = 1;
	echo_changed(&echo, 0);
	muslin_unlock(&echo.lock);
	GIVES(ready(fd), POLLIN | POLLRDHUP);
	GIVES(read(fd, text, 16), 8);
	GIVES(ready(fd), POLLIN | POLLOUT | POLLRDHUP);
	GIVES(read(fd, text, 16), 0);
	muslin_lock(&echo.lock);
	echo.readiness = POLLHUP;
	echo.error = ECONNRESET;
	echo_changed(&echo, 0);
	muslin_unlock(&echo.lock);
	GIVES(ready(fd), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	FAILS(read(fd, text, 4), ECONNRESET);
	GIVES(ready(fd), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	GIVES(epoll_wait(level, got, 4, 0), 1);
	GIVES(got[0].events, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	signal(SIGPIPE, SIG_IGN);
	FAILS(write(fd, "x", 1), EPIPE);
	close(fd);
	GIVES(epoll_wait(level, got, 4, 0), 0);
	close(level), close(edge), close(once), close(pipes[0]), close(pipes[1]);
	muslin_file_release(echo.file);
}

static void numbers(void)
{
	static struct echo echo, other;
	int fd = echo_mint(&echo, O_CLOEXEC), two = echo_mint(&other, 0);
	char text[16];
	struct stat about, about_two;
	GIVES(fstat(fd, &about), 0);
	GIVES(about.st_mode, S_IFCHR | 0640);
	GIVES(fstat(two, &about_two), 0);
	CHECK(about.st_ino != about_two.st_ino);
	GIVES(fstatat(fd, "", &about, AT_EMPTY_PATH), 0);
	GIVES(about.st_mode, S_IFCHR | 0640);

	GIVES(fcntl(fd, F_GETFD), FD_CLOEXEC);
	GIVES(fcntl(two, F_GETFD), 0);
	int copy = dup(fd), high = fcntl(fd, F_DUPFD, 100), high_cloexec = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	GIVES(high, 100);
	GIVES(high_cloexec, 101);
	GIVES(fcntl(copy, F_GETFD), 0);
	GIVES(fcntl(high_cloexec, F_GETFD), FD_CLOEXEC);
	GIVES(fcntl(high, F_SETFD, FD_CLOEXEC), 0);
	GIVES(fcntl(high, F_GETFD), FD_CLOEXEC);
	GIVES(write(high, "dup", 3), 3);
	GIVES(ready(copy), POLLIN | POLLOUT);
	GIVES(close(fd), 0);
	/* The number is free: what gets it is not taken for what was there. */
	GIVES(open("/dev/zero", O_RDONLY), fd);
	GIVES(read(fd, text, 4), 4);
	CHECK(!text[0] && !text[3]);
	GIVES(read(copy, text, 4), 3);
	CHECK(!memcmp(text, "dup", 3));
	GIVES(ready(copy), POLLOUT);
	GIVES(fcntl(copy, F_SETFL, O_NONBLOCK), 0);
	FAILS(read(high, text, 1), EAGAIN);
	int off = 0;
	GIVES(ioctl(high, FIONBIO, &off), 0);
	GIVES(fcntl(copy, F_GETFL) & O_NONBLOCK, 0);
	GIVES(dup2(two, fd), fd);
	GIVES(write(fd, "two", 3), 3);
	GIVES(other.count, 3);
	GIVES(dup2(high, two), two);
	GIVES(other.closed, 0);
	GIVES(dup3(high, fd, O_CLOEXEC), fd);
	GIVES(fcntl(fd, F_GETFD), FD_CLOEXEC);
	GIVES(other.closed, 1);
	GIVES(other.references, 0);
	muslin_file_release(other.file);
	GIVES(dup2(fd, fd), fd);
	FAILS(dup3(fd, fd, 0), EINVAL);
	FAILS(dup2(fd, -1), EBADF);
	FAILS(dup2(888, fd), EBADF);
	GIVES(write(fd, "still", 5), 5);
	GIVES(ready(fd), POLLIN | POLLOUT);
	GIVES(close(copy) | close(two) | close(high) | close(high_cloexec), 0);
	GIVES(ready(fd), POLLIN | POLLOUT);
	GIVES(read(fd, text, 16), 5);
	GIVES(ready(fd), POLLOUT);
	int null = open("/dev/null", O_RDWR);
	GIVES(dup2(null, fd), fd);
	GIVES(echo.closed, 1);
	GIVES(echo.references, 0);
	GIVES(read(fd, text, 1), 0);
	close(fd), close(null);
	muslin_file_release(echo.file);

	/* All at once, and the runtime's own stay: what is minted afterwards works. */
	fd = echo_mint(&echo, O_NONBLOCK);
	two = echo_mint(&other, O_NONBLOCK);
	GIVES(write(two, "0123456789", 10), 8);
	GIVES(ready(two), POLLIN);
	GIVES(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC), 0);
	GIVES(fcntl(two, F_GETFD), FD_CLOEXEC);
	GIVES(close_range(3, ~0u, 0), 0);
	GIVES(echo.closed + other.closed, 2);
	FAILS(read(fd, text, 1), EBADF);
	for (int i = 3; i < 2000; i++) close(i);
	muslin_file_release(echo.file);
	muslin_file_release(other.file);
	GIVES(echo_mint(&echo, O_NONBLOCK), 3);
	GIVES(ready(3), POLLOUT);
	GIVES(write(3, "0123456789", 10), 8);
	GIVES(ready(3), POLLIN);
	GIVES(read(3, text, 16), 8);
	GIVES(ready(3), POLLOUT);
	GIVES(close(3), 0);
	muslin_file_release(echo.file);
}

static void files(void)
{
	static struct echo echo;
	int fd = echo_mint(&echo, O_NONBLOCK), file = memfd_create("some", 0), pipes[2];
	char text[16];
	GIVES(pipe(pipes), 0);
	GIVES(write(file, "abcdefghijkl", 12), 12);
	off_t offset = 2;
	GIVES(sendfile(fd, file, &offset, 3), 3);
	GIVES(offset, 5);
	GIVES(read(fd, text, 16), 3);
	CHECK(!memcmp(text, "cde", 3));
	GIVES(lseek(file, 1, SEEK_SET), 1);
	GIVES(sendfile(fd, file, 0, 100), 8);
	GIVES(lseek(file, 0, SEEK_CUR), 9);
	FAILS(sendfile(fd, file, 0, 100), EAGAIN);
	FAILS(sendfile(fd, pipes[0], 0, 1), EINVAL);
	FAILS(sendfile(file, fd, 0, 1), EINVAL);
	FAILS(splice(pipes[0], 0, fd, 0, 1, SPLICE_F_NONBLOCK), EAGAIN);
	GIVES(write(pipes[1], "123", 3), 3);
	FAILS(splice(pipes[0], 0, fd, 0, 3, 0), EAGAIN);
	GIVES(splice(fd, 0, pipes[1], 0, 100, 0), 8);
	FAILS(splice(fd, 0, pipes[1], 0, 1, 0), EAGAIN);
	GIVES(splice(pipes[0], 0, fd, 0, 3, 0), 3);
	GIVES(read(fd, text, 16), 3);
	CHECK(!memcmp(text, "123", 3));
	GIVES(read(pipes[0], text, 16), 8);
	CHECK(!memcmp(text, "bcdefghi", 8));
	FAILS(splice(fd, 0, file, 0, 1, 0), EINVAL);
	FAILS(splice(fd, 0, fd, 0, 1, 0), EINVAL);
	FAILS(splice(fd, &offset, pipes[1], 0, 1, 0), EINVAL);
	FAILS(splice(fd, 0, pipes[1], &offset, 1, 0), ESPIPE);
	FAILS(splice(fd, 0, pipes[0], 0, 1, 0), EBADF);
	FAILS(tee(fd, pipes[1], 1, 0), EINVAL);
	GIVES(write(pipes[1], "x", 1), 1);
	GIVES(splice(pipes[0], 0, file, 0, 1, 0), 1);
	close(fd), close(file), close(pipes[0]), close(pipes[1]);
	muslin_file_release(echo.file);
}

static void objects(void)
{
	static struct echo echo;
	static struct muslin_file_ops others, unknown;
	int fd = echo_mint(&echo, 0);
	CHECK(muslin_fd_get(fd, &echo_ops) == &echo);
	GIVES(echo.references, 2);
	others = echo_ops;
	CHECK(!muslin_fd_get(fd, &others) && !muslin_fd_get(0, &echo_ops) && !muslin_fd_get(-1, &echo_ops));
	close(fd);
	GIVES(echo.closed, 1);
	GIVES(echo.references, 1);
	CHECK(!muslin_fd_get(fd, &echo_ops));
	/* Whoever has the file may still tell. */
	muslin_file_changed(echo.file, POLLIN, POLLIN);
	muslin_file_release(echo.file);
	struct muslin_file *file;
	GIVES(muslin_fd_mint(&unknown, &echo, 0, 0, &file), -EINVAL);
	GIVES(muslin_fd_mint(&echo_ops, &echo, O_APPEND, 0, &file), -EINVAL);
}

static long refuse(const struct muslin_call *call, void *context)
{
	(void)call, (void)context;
	return -EPERM;
}

/* What answers for minted descriptors is a part of the platform: it is below all handlers. */
static void handlers(void)
{
	static struct echo echo;
	char text[8];
	const struct muslin_handler *before;
	int fd = echo_mint(&echo, O_NONBLOCK);
	GIVES(write(fd, "abc", 3), 3);
	GIVES(muslin_register(SYS_read, refuse, 0, 0, &before), 0);
	FAILS(read(fd, text, 1), EPERM);
	GIVES(muslin_passthrough(SYS_read, (long[6]){ fd, (long)text, 1 }), 1);
	GIVES(muslin_call(before, SYS_read, (long[6]){ fd, (long)text, 1 }), 1);
	GIVES(muslin_call(0, SYS_read, (long[6]){ fd, (long)text, 1 }), 1);
	GIVES(muslin_restore(SYS_read), 0);
	FAILS(read(fd, text, 1), EAGAIN);
	GIVES(muslin_restore(SYS_read), 0);
	FAILS(read(fd, text, 1), EAGAIN);
	close(fd);
	muslin_file_release(echo.file);
}

int main(void)
{
	bytes();
	handlers();
	readiness();
	numbers();
	files();
	objects();
	return finish();
}
