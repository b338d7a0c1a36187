/* Twenty thousand operations on a few descriptors of files and pipes, chosen by seed: every result must
 * be the same everywhere. */
#include "expect.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define OPERATIONS 20000
#define FIRST 3
#define COUNT 17

static unsigned long long state = 2 * 0x9e3779b97f4a7c15ULL, digest = 14695981039346656037ULL;
static char room[9000];

static unsigned next(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void note(const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		digest = (digest ^ ((const unsigned char *)bytes)[i]) * 1099511628211ULL;
}

static void note_number(long number) { note(&number, sizeof number); }

static long took(long result)
{
	note_number(result < 0 ? -errno : result);
	return result;
}

/* Mostly one that may be open; never a standard stream. */
static int some(void)
{
	int odd = (int)next(40) - 10;
	return next(30) || (odd >= 0 && odd < FIRST) ? FIRST + (int)next(COUNT) : odd;
}

static void operate(void)
{
	static const int ways[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_RDWR | O_TRUNC,
		O_RDWR | O_CLOEXEC, O_RDWR | O_NONBLOCK, O_PATH };
	static const int kept[] = { 0, O_APPEND, O_APPEND, O_NOATIME };
	int one = some(), other = some(), pair[2];
	unsigned size = next(6) ? next(200) : next(sizeof room);
	struct pollfd polled[3];
	struct stat about;
	struct iovec pieces[3] = { { room, size / 3 }, { room + 3000, 0 }, { room + 3001, size / 2 } };
	int number = 0;
	loff_t from = next(3000), to = next(3000);
	switch (next(27)) {
	case 0: took(open("file", ways[next(8)])); break;
	case 1: took(open("second", ways[next(8)])); break;
	case 2:
		if (took(pipe2(pair, O_NONBLOCK | (next(2) ? O_CLOEXEC : 0))) == 0) note(pair, sizeof pair);
		break;
	case 3: took(dup(one)); break;
	case 4: took(dup2(one, other)); break;
	case 5: took(syscall(SYS_dup3, one, other, next(4) ? O_CLOEXEC : 1)); break;
	case 6: took(fcntl(one, next(2) ? F_DUPFD : F_DUPFD_CLOEXEC, (long)next(30) - 1)); break;
	case 7: case 8: took(close(one)); break;
	case 9: took(syscall(SYS_close_range, one, one + (int)next(4) - 1, next(8) ? 4 : 0)); break;
	case 10: took(fcntl(one, F_GETFD)); break;
	case 11: took(fcntl(one, F_SETFD, next(2))); break;
	case 12: took(fcntl(one, F_GETFL)); break;
	/* Never one that waits: nobody else is there. */
	case 13: took(fcntl(one, F_SETFL, O_NONBLOCK | kept[next(4)])); break;
	case 14: case 15: memset(room, 'a' + next(26), size); took(write(one, room, size)); break;
	case 16: case 17: { long got = took(read(one, room, size)); if (got > 0) note(room, got); break; }
	case 18: memset(room, 'A' + next(26), size); took(writev(one, pieces, next(4))); break;
	case 19: { long got = took(readv(one, pieces, next(4))); if (got > 0) note(room, got / 2); break; }
	case 20:
		for (int i = 0; i < 3; i++) polled[i] = (struct pollfd){ .fd = some(), .events = next(64) };
		took(poll(polled, 3, 0));
		for (int i = 0; i < 3; i++) note_number(polled[i].revents);
		break;
	case 21: if (took(ioctl(one, FIONREAD, &number)) == 0) note_number(number); break;
	case 22: took(lseek(one, (long)next(5000) - 100, next(4))); break;
	case 23: took(fcntl(one, next(3) ? F_GETPIPE_SZ : F_GETOWN)); break;
	case 24: if (took(fstat(one, &about)) == 0) note_number(about.st_mode & S_IFMT); break;
	case 25: took(tee(one, other, size, SPLICE_F_NONBLOCK)); break;
	case 26:
		/* On Linux a pipe shows what becomes of the file's page later. */
		if (fstat(one, &about) == 0 && S_ISREG(about.st_mode)) break;
		took(splice(one, next(2) ? NULL : &from, other, next(2) ? NULL : &to, size, SPLICE_F_NONBLOCK));
		break;
	}
}

int main(void)
{
	struct rlimit limit = { FIRST + 2 * COUNT, FIRST + 2 * COUNT };
	setrlimit(RLIMIT_NOFILE, &limit);
	signal(SIGPIPE, SIG_IGN);
	syscall(SYS_close_range, FIRST, 1 << 20, 0);
	memset(room, 's', sizeof room);
	make_file("file", "some text in a file");
	make_file("second", "other text in another");
	for (int i = 1; i <= OPERATIONS; i++) {
		operate();
		if (i % 1000 == 0) {
			truncate("file", 5000);
			say("after %d operations: %016llx", i, digest);
		}
	}
	return finish();
}
