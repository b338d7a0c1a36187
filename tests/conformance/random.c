/* Random bytes: getrandom with its flags, getentropy, the devices. */
#include "expect.h"
#include <fcntl.h>
#include <sys/random.h>

static int all_equal(const unsigned char *bytes, size_t count)
{
	for (size_t i = 1; i < count; i++) if (bytes[i] != bytes[0]) return 0;
	return 1;
}

int main(void)
{
	unsigned char a[256], b[256];

	GIVES("getrandom 256", getrandom(a, sizeof a, 0), 256);
	GIVES("getrandom 256 again", getrandom(b, sizeof b, GRND_NONBLOCK), 256);
	CHECK("not all bytes equal", !all_equal(a, sizeof a));
	CHECK("not the same twice", memcmp(a, b, sizeof a) != 0);
	GIVES("getrandom 0", getrandom(a, 0, 0), 0);
	GIVES("GRND_RANDOM", getrandom(a, 16, GRND_RANDOM | GRND_NONBLOCK), 16);
	FAILS("flags of nonsense", getrandom(a, 16, 0x100), EINVAL);
	FAILS("GRND_RANDOM with GRND_INSECURE", getrandom(a, 16, GRND_RANDOM | 4), EINVAL);
	FAILS("EFAULT", getrandom((void *)8, 16, 0), EFAULT);

	memset(a, 0, sizeof a);
	GIVES("getentropy 256", getentropy(a, 256), 0);
	CHECK("not all bytes equal", !all_equal(a, sizeof a));
	FAILS("getentropy 257", getentropy(a, 257), EIO);
	GIVES("getentropy 0", getentropy(a, 0), 0);

	int fd = OPENED("open /dev/urandom", open("/dev/urandom", O_RDONLY | O_CLOEXEC));
	GIVES("read 64", read(fd, b, 64), 64);
	CHECK("not all bytes equal", !all_equal(b, 64));
	return finish();
}
