/* Asks who has the address of the other end of its network device, and says who answered. What comes is
 * taken beside the calls; the program itself waits for a descriptor of its own. With an argument it waits
 * then, without any deadline, until the other end asks. */
#include "minted.h"

enum { FRAME_BYTES = 14 + 65535, ARP_BYTES = 42 };

static const unsigned char ASKED[4] = { 10, 77, 0, 1 }, OWN[4] = { 10, 77, 0, 2 };

static struct muslin_net_device device;
static unsigned char frame[FRAME_BYTES], answer[6];
static unsigned long long again_at;
static struct box *box;
static atomic_int runs;

static void ask(void)
{
	unsigned char arp[60] = { 0 };
	memset(arp, 0xff, 6);
	memcpy(arp + 6, device.mac, 6);
	memcpy(arp + 12, (unsigned char[]){ 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 }, 10);
	memcpy(arp + 22, device.mac, 6);
	memcpy(arp + 28, OWN, 4);
	memcpy(arp + 38, ASKED, 4);
	GIVES(muslin_net_send(0, arp, sizeof arp), sizeof arp);
}

static unsigned long long serve(void *unused, unsigned long long now_ns)
{
	(void)unused;
	runs++;
	if (now_ns >= again_at) {
		ask();
		again_at = now_ns + 200000000;
	}
	for (;;) {
		long got = muslin_net_receive(0, frame, sizeof frame);
		if (got == -EAGAIN)
			return again_at;
		CHECK(got >= 14);
		if (got < ARP_BYTES || memcmp(frame + 12, (unsigned char[]){ 8, 6 }, 2)
		    || memcmp(frame + 28, ASKED, 4))
			continue;
		memcpy(answer, frame + 22, 6);
		box_write(box, &(struct muslin_piece){ frame[21] == 2 ? "!" : "?", 1 }, 1);
		again_at = EVER;
	}
}

int main(int argc, char **argv)
{
	char byte;
	(void)argv;
	if (muslin_net_device(0, &device)) {
		muslin_print("there is no device\n");
		return 3;
	}
	GIVES(strcmp(device.name, "service"), 0);
	GIVES(device.mtu_bytes, 1400);
	GIVES(device.mac[0] & 3, 2);
	GIVES(muslin_net_receive(0, frame, 100), -EINVAL);
	GIVES(muslin_net_send(0, frame, 13), -EINVAL);
	GIVES(muslin_net_send(0, frame, 1415), -EINVAL);
	struct muslin_net_device other;
	GIVES(muslin_net_device(1, &other), -ENODEV);

	begin_boxes();
	int fd = box_of(0);
	box = newest;
	GIVES(muslin_service(serve, NULL), 0);
	do
		GIVES(read(fd, &byte, 1), 1);
	while (byte != '!');
	if (argc > 1) {
		/* The time that was waited for last is over meanwhile, and that does not matter. */
		int before = runs;
		do
			GIVES(read(fd, &byte, 1), 1);
		while (byte != '?');
		CHECK(runs - before < 100);
	}
	printf("answered by %02x:%02x:%02x:%02x:%02x:%02x\n", answer[0], answer[1], answer[2], answer[3],
	       answer[4], answer[5]);
	return finish();
}
