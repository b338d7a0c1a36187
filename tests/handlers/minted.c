// flags: -pthread --no-net
// also: library_os
// also: spt
// also: hvt
// environment: MUSLIN_COLOUR=light-red
/* Descriptors of a handler's making, as every call of files sees them, and waits for them: by other
 * threads, by signals, by time, by what runs beside the calls. */
#include "minted.h"

static void reads_and_writes(void)
{
	char buffer[32] = "";
	int fd = box_of(0), count = -1;
	struct box *box = newest;
	CHECK(fd > 2);
	GIVES(write(fd, "abc", 3), 3);
	GIVES(ioctl(fd, FIONREAD, &count), 0);
	GIVES(count, 3);
	FAILS(ioctl(fd, TIOCGWINSZ, buffer), ENOTTY);
	GIVES(read(fd, buffer, 2), 2);
	GIVES(memcmp(buffer, "ab", 2), 0);
	GIVES(writev(fd, (struct iovec[]){ { "de", 2 }, { "", 0 }, { "f", 1 } }, 3), 3);
	char one[1], more[8];
	GIVES(readv(fd, (struct iovec[]){ { one, 1 }, { more, 8 } }, 2), 4);
	GIVES(one[0], 'c');
	GIVES(memcmp(more, "def", 3), 0);
	GIVES(read(fd, buffer, 0), 0);
	/* Where the runtime can tell what is the program's memory. */
	if (muslin_user_check((void *)8, 1, 1))
		FAILS(read(fd, (void *)8, 1), EFAULT);
	FAILS(lseek(fd, 0, SEEK_SET), ESPIPE);
	FAILS(pread(fd, buffer, 1, 0), ESPIPE);
	FAILS(pwrite(fd, buffer, 1, 0), ESPIPE);

	struct stat status;
	GIVES(fstat(fd, &status), 0);
	GIVES(status.st_mode, S_IFSOCK | 0640);
	GIVES(status.st_size, 0);

	/* Descriptors of the same file. */
	int other = dup(fd), third = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	CHECK(third >= 100);
	GIVES(fcntl(third, F_GETFD), FD_CLOEXEC);
	GIVES(fcntl(fd, F_GETFD), 0);
	GIVES(write(other, "x", 1), 1);
	GIVES(read(third, buffer, 9), 1);
	GIVES(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
	GIVES(fcntl(third, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(muslin_fd_flags(other) & O_NONBLOCK);

	/* Whose it is. */
	static const struct muslin_file_ops others = { .size = sizeof others, .name = "other" };
	CHECK(muslin_fd_get(third, &BOXES) == box);
	box_release(box);
	CHECK(muslin_fd_get(third, &others) == NULL);
	CHECK(muslin_fd_get(0, &BOXES) == NULL);
	CHECK(muslin_fd_get(-1, &BOXES) == NULL);
	CHECK(muslin_fd_get(900, &BOXES) == NULL);
	GIVES(muslin_fd_flags(900), -EBADF);

	/* Nothing waits. */
	FAILS(read(fd, buffer, 1), EAGAIN);
	FAILS(recv(fd, buffer, 1, 0), EAGAIN);
	GIVES(write(fd, "0123456789", 10), BOX_BYTES);
	FAILS(write(fd, "x", 1), EAGAIN);
	GIVES(recv(fd, buffer, 1, 0), 1);
	GIVES(buffer[0], '0');

	/* The last one closes it, once. */
	GIVES(close(fd), 0);
	GIVES(close(other), 0);
	GIVES(box->times_closed, 0);
	GIVES(dup2(0, third), third);
	GIVES(box->times_closed, 1);
	GIVES(box->references, 0);
	FAILS(read(fd, buffer, 1), EBADF);
	GIVES(close(third), 0);

	fd = box_of(SOCK_NONBLOCK | SOCK_CLOEXEC);
	GIVES(fcntl(fd, F_GETFD), FD_CLOEXEC);
	FAILS(read(fd, buffer, 1), EAGAIN);
	GIVES(close(fd), 0);

	/* From a file, and to a pipe. */
	int file = open("/tmp/minted", O_CREAT | O_RDWR, 0600), ends[2];
	if (file >= 0) {
		fd = box_of(0);
		GIVES(write(file, "sent", 4), 4);
		off_t from = 1;
		GIVES(sendfile(fd, file, &from, 3), 3);
		GIVES(read(fd, buffer, 9), 3);
		GIVES(memcmp(buffer, "ent", 3), 0);
		GIVES(close(file), 0);
		GIVES(unlink("/tmp/minted"), 0);
		GIVES(close(fd), 0);
	}
	GIVES(pipe(ends), 0);
	GIVES(close(ends[0]) | close(ends[1]), 0);
}

static void no_number_is_free(void)
{
	struct rlimit before, few;
	GIVES(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 3;
	GIVES(setrlimit(RLIMIT_NOFILE, &few), 0);
	FAILS(box_of(0), EMFILE);
	GIVES(setrlimit(RLIMIT_NOFILE, &before), 0);
	GIVES(newest->times_closed, 0);
	GIVES(newest->references, 1);
	FAILS(box_of(O_APPEND), EINVAL);
}

static void polls(void)
{
	char buffer[16];
	int fd = box_of(0);
	struct pollfd asked = { fd, POLLIN | POLLOUT, 0 };
	GIVES(poll(&asked, 1, 0), 1);
	GIVES(asked.revents, POLLOUT);
	GIVES(write(fd, "x", 1), 1);
	GIVES(poll(&asked, 1, -1), 1);
	GIVES(asked.revents, POLLIN | POLLOUT);
	GIVES(write(fd, "1234567", 7), 7);
	GIVES(poll(&asked, 1, -1), 1);
	GIVES(asked.revents, POLLIN);

	fd_set in, out;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	GIVES(select(fd + 1, &in, &out, NULL, NULL), 1);
	CHECK(FD_ISSET(fd, &in) && !FD_ISSET(fd, &out));

	/* As long as it is ready. */
	int set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 7 }, got;
	GIVES(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	for (int i = 0; i < 3; i++) {
		GIVES(epoll_wait(set, &got, 1, 0), 1);
		GIVES(got.events, EPOLLIN);
		GIVES(got.data.u32, 7);
	}
	GIVES(read(fd, buffer, 16), 8);
	GIVES(epoll_wait(set, &got, 1, 0), 0);

	/* Each time that something comes. */
	event.events = EPOLLIN | EPOLLET;
	GIVES(epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), 0);
	GIVES(epoll_wait(set, &got, 1, 0), 0);
	GIVES(write(fd, "x", 1), 1);
	GIVES(epoll_wait(set, &got, 1, 0), 1);
	GIVES(epoll_wait(set, &got, 1, 0), 0);
	GIVES(write(fd, "y", 1), 1);
	GIVES(epoll_wait(set, &got, 1, 0), 1);
	GIVES(epoll_wait(set, &got, 1, 0), 0);
	GIVES(read(fd, buffer, 16), 2);

	/* And room. */
	event.events = EPOLLOUT | EPOLLET;
	GIVES(epoll_ctl(set, EPOLL_CTL_MOD, fd, &event), 0);
	GIVES(epoll_wait(set, &got, 1, 0), 1);
	GIVES(epoll_wait(set, &got, 1, 0), 0);
	GIVES(write(fd, "12345678", 8), 8);
	GIVES(epoll_wait(set, &got, 1, 0), 0);
	GIVES(read(fd, buffer, 1), 1);
	GIVES(epoll_wait(set, &got, 1, 0), 1);
	GIVES(got.events, EPOLLOUT);

	/* What is closed is forgotten. */
	GIVES(close(fd), 0);
	GIVES(epoll_wait(set, &got, 1, 0), 0);
	GIVES(close(set), 0);

	/* It ends in time. */
	fd = box_of(0);
	asked = (struct pollfd){ fd, POLLIN, 0 };
	unsigned long long start = muslin_now_ns();
	GIVES(poll(&asked, 1, 20), 0);
	CHECK(muslin_now_ns() - start >= 20000000);
	GIVES(close(fd), 0);
}

static void *write_later(void *fd)
{
	sleep_ms(20);
	GIVES(write((long)fd, "z", 1), 1);
	return NULL;
}

static void *drain(void *fd)
{
	char buffer[3];
	long all = 0;
	while (all < 100) {
		long got = read((long)fd, buffer, 3);
		if (got <= 0)
			break;
		all += got;
	}
	return (void *)all;
}

static void threads_wake_each_other(void)
{
	char buffer[128] = "";
	long fd = box_of(0);
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, write_later, (void *)fd);
	GIVES(read(fd, buffer, 9), 1);
	GIVES(buffer[0], 'z');
	pthread_join(thread, NULL);

	pthread_create(&thread, NULL, write_later, (void *)fd);
	struct pollfd asked = { fd, POLLIN, 0 };
	GIVES(poll(&asked, 1, -1), 1);
	GIVES(asked.revents, POLLIN);
	GIVES(recv(fd, buffer, 1, 0), 1);
	pthread_join(thread, NULL);

	int set = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN }, got;
	GIVES(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	pthread_create(&thread, NULL, write_later, (void *)fd);
	GIVES(epoll_wait(set, &got, 1, -1), 1);
	pthread_join(thread, NULL);
	GIVES(read(fd, buffer, 9), 1);
	GIVES(close(set), 0);

	/* A write that waits writes all. */
	pthread_create(&thread, NULL, drain, (void *)fd);
	GIVES(write(fd, buffer, 100), 100);
	pthread_join(thread, &result);
	GIVES(result, 100);
	GIVES(close(fd), 0);
}

static void *receive(void *fd)
{
	char byte = 0;
	return (void *)(recv((long)fd, &byte, 1, 0) == 1 ? (long)byte : -1);
}

/* Each waits in its handler, and goes on there. */
static void handlers_wait_side_by_side(void)
{
	enum { COUNT = 4 };
	long fds[COUNT];
	pthread_t threads[COUNT];
	void *result;
	for (int i = 0; i < COUNT; i++) {
		fds[i] = box_of(0);
		pthread_create(&threads[i], NULL, receive, (void *)fds[i]);
	}
	sleep_ms(20);
	/* A handler's mark is its thread's: here none runs, so handlers are called. */
	int before = box_of(0);
	CHECK(before > 2);
	GIVES(close(before), 0);
	const int order[COUNT] = { 2, 0, 3, 1 };
	for (int i = 0; i < COUNT; i++)
		GIVES(write(fds[order[i]], &"abcd"[order[i]], 1), 1);
	for (int i = 0; i < COUNT; i++) {
		pthread_join(threads[i], &result);
		GIVES(result, "abcd"[i]);
		GIVES(close(fds[i]), 0);
	}
}

static void waits_end_in_time(void)
{
	char byte;
	int fd = box_of(0);
	newest->patience_ns = 20000000;
	unsigned long long start = muslin_now_ns();
	FAILS(read(fd, &byte, 1), EAGAIN);
	CHECK(muslin_now_ns() - start >= 20000000);
	start = muslin_now_ns();
	FAILS(recv(fd, &byte, 1, 0), EAGAIN);
	CHECK(muslin_now_ns() - start >= 20000000);
	GIVES(write(fd, "0123456789", 10), BOX_BYTES);
	FAILS(write(fd, "x", 1), EAGAIN);
	GIVES(close(fd), 0);
}

static volatile sig_atomic_t signals_got;
static int signal_writes_to = -1;

static void on_alarm(int number)
{
	(void)number;
	signals_got++;
	if (signal_writes_to >= 0 && write(signal_writes_to, "s", 1) != 1)
		signals_got = -1000;
}

static void alarm_ms(long ms, int flags)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_usec = ms * 1000 }, NULL);
}

static void signals_end_waits(void)
{
	char byte = 0;
	int fd = box_of(0);
	signals_got = 0;
	alarm_ms(20, 0);
	FAILS(read(fd, &byte, 1), EINTR);
	GIVES(signals_got, 1);
	alarm_ms(20, 0);
	FAILS(recv(fd, &byte, 1, 0), EINTR);
	GIVES(signals_got, 2);

	/* Made again: the signal's function brings what is waited for. */
	signal_writes_to = fd;
	alarm_ms(20, SA_RESTART);
	GIVES(read(fd, &byte, 1), 1);
	GIVES(byte, 's');
	alarm_ms(20, SA_RESTART);
	GIVES(recv(fd, &byte, 1, 0), 1);
	GIVES(signals_got, 4);
	signal_writes_to = -1;

	/* With a limit of time it is not made again. */
	newest->patience_ns = 10000000000;
	alarm_ms(20, SA_RESTART);
	FAILS(read(fd, &byte, 1), EINTR);
	alarm_ms(20, SA_RESTART);
	FAILS(recv(fd, &byte, 1, 0), EINTR);
	GIVES(signals_got, 6);
	GIVES(close(fd), 0);
}

static long answer_alone(const struct muslin_call *call, void *context)
{
	(void)call;
	(void)context;
	return 77;
}

static atomic_int others_turn;

static void *take_a_turn(void *unused)
{
	others_turn = 1;
	return unused;
}

/* A loop of calls that handlers answer alone does not keep signals and other threads away. */
static void handlers_end_turns(void)
{
	GIVES(muslin_register(SYS_getppid, answer_alone, NULL, 0, NULL), 0);
	signals_got = 0;
	alarm_ms(20, 0);
	long wrong = 0;
	while (!signals_got)
		wrong += getppid() != 77;
	GIVES(wrong, 0);
	pthread_t thread;
	pthread_create(&thread, NULL, take_a_turn, NULL);
	while (!others_turn)
		wrong += getppid() != 77;
	GIVES(wrong, 0);
	pthread_join(thread, NULL);
	GIVES(muslin_restore(SYS_getppid), 0);
}

static void *receive_for_ever(void *fd)
{
	char byte;
	recv((long)fd, &byte, 1, 0);
	return NULL;
}

static void waits_can_be_cancelled(void)
{
	long fd = box_of(0);
	pthread_t thread;
	void *result;
	pthread_create(&thread, NULL, receive_for_ever, (void *)fd);
	sleep_ms(20);
	GIVES(pthread_cancel(thread), 0);
	GIVES(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	GIVES(close(fd), 0);
}

/* Puts a byte into a box 20 ms after it is asked to. */
static struct box *served;
static unsigned long long serve_at = EVER;
static atomic_int wishes, runs;

static unsigned long long serve(void *context, unsigned long long now_ns)
{
	CHECK(context == &served);
	runs++;
	if (wishes > 0 && serve_at == EVER)
		serve_at = now_ns + 20000000;
	if (now_ns >= serve_at) {
		wishes--;
		serve_at = EVER;
		box_write(served, &(struct muslin_piece){ "v", 1 }, 1);
	}
	return serve_at;
}

static void what_runs_beside_brings_it(void)
{
	char byte = 0;
	int fd = box_of(0);
	served = newest;
	GIVES(muslin_service(serve, &served), 0);
	GIVES(muslin_service(serve, &served), -EBUSY);
	for (int way = 0; way < 4; way++) {
		unsigned long long start = muslin_now_ns();
		wishes++;
		muslin_service_kick();
		struct pollfd asked = { fd, POLLIN, 0 };
		switch (way) {
		case 1:
			GIVES(poll(&asked, 1, -1), 1);
			break;
		case 2:
			/* Nothing waits, and it comes all the same. */
			while (poll(&asked, 1, 0) == 0) {}
			break;
		case 3:
			GIVES(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
			while (read(fd, &byte, 1) == -1 && errno == EAGAIN) {}
			GIVES(fcntl(fd, F_SETFL, 0), 0);
			GIVES(byte, 'v');
			CHECK(muslin_now_ns() - start >= 20000000);
			continue;
		}
		byte = 0;
		GIVES(way == 0 ? recv(fd, &byte, 1, 0) : read(fd, &byte, 1), 1);
		GIVES(byte, 'v');
		CHECK(muslin_now_ns() - start >= 20000000);
	}
	CHECK(runs > 4);
	/* While it sleeps, it is not asked again and again. */
	sleep_ms(5);
	int before = runs;
	sleep_ms(50);
	CHECK(runs - before < 10);
	GIVES(close(fd), 0);
}

static void the_rest(void)
{
	unsigned char bytes[64] = { 0 };
	GIVES(muslin_random(bytes, sizeof bytes), 0);
	int zeros = 0;
	for (unsigned i = 0; i < sizeof bytes; i++)
		zeros += bytes[i] == 0;
	CHECK(zeros < 32);
	GIVES(muslin_user_check(bytes, sizeof bytes, 1), 0);
	struct muslin_net_device device;
	GIVES(muslin_net_device(99, &device), -ENODEV);
	GIVES(muslin_net_receive(99, bytes, sizeof bytes), -ENODEV);
	GIVES(muslin_net_send(99, bytes, sizeof bytes), -ENODEV);
	CHECK(muslin_option("colour") != NULL && !strcmp(muslin_option("colour"), "light-red"));
	CHECK(muslin_option("colours") == NULL);
	CHECK(muslin_option("colou") == NULL);
}

int main(void)
{
	begin_boxes();
	reads_and_writes();
	no_number_is_free();
	polls();
	threads_wake_each_other();
	handlers_wait_side_by_side();
	waits_end_in_time();
	signals_end_waits();
	handlers_end_turns();
	waits_can_be_cancelled();
	what_runs_beside_brings_it();
	the_rest();
	return finish();
}
