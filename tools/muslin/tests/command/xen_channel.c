/* A program of dom0 with libxenvchan: sends bytes and compares what comes back, or gives back what it
 * gets. channel client|server DOMAIN PATH BYTES; a client of 0 bytes waits for a byte that never comes. */
#include <libxenvchan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char of_place(unsigned long at)
{
	return at * 7 + at / 253;
}

static int talk(struct libxenvchan *channel, unsigned long length)
{
	unsigned long sent = 0, back = 0;
	char bytes[3000];

	channel->blocking = 0;
	while (back < length) {
		size_t count = length - sent < sizeof bytes ? length - sent : sizeof bytes;
		int done, got;

		for (size_t i = 0; i < count; i++)
			bytes[i] = of_place(sent + i);
		done = count == 0 ? 0 : libxenvchan_write(channel, bytes, count);
		if (done < 0)
			return printf("write failed\n");
		sent += done;
		got = libxenvchan_read(channel, bytes, sizeof bytes);
		if (got < 0)
			return printf("read failed\n");
		for (int i = 0; i < got; i++)
			if (bytes[i] != of_place(back + i))
				return printf("byte %lu is not what was sent\n", back + i);
		back += got;
		if (done == 0 && got == 0 && libxenvchan_wait(channel) != 0)
			return printf("wait failed\n");
	}
	printf("%lu bytes came back\n", back);
	return 0;
}

static int serve(struct libxenvchan *channel)
{
	unsigned long count = 0;
	char bytes[3000];
	int got;

	channel->blocking = 1;
	while (libxenvchan_is_open(channel) == 2)
		libxenvchan_wait(channel);
	while ((got = libxenvchan_read(channel, bytes, sizeof bytes)) > 0) {
		if (libxenvchan_write(channel, bytes, got) != got)
			return printf("write failed\n");
		count += got;
	}
	printf("the end after %lu bytes\n", count);
	return 0;
}

int main(int argc, char **argv)
{
	struct libxenvchan *channel = NULL;
	int failed;

	if (argc != 5)
		return 2;
	if (strcmp(argv[1], "server") == 0)
		channel = libxenvchan_server_init(NULL, atoi(argv[2]), argv[3], atoi(argv[4]), atoi(argv[4]));
	for (int tries = 0; strcmp(argv[1], "client") == 0 && channel == NULL && tries < 100; tries++) {
		channel = libxenvchan_client_init(NULL, atoi(argv[2]), argv[3]);
		if (channel == NULL)
			usleep(100000);
	}
	if (channel == NULL)
		return printf("no channel\n");
	fflush(stdout);
	failed = strcmp(argv[1], "server") == 0 ? serve(channel) : talk(channel, atol(argv[4]));
	libxenvchan_close(channel);
	return failed;
}
