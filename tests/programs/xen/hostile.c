/* A back end of dom0's that breaks the rules, once:
 *
 *   hostile RULE GUEST PORT RING [RING]
 *
 * The rings are a disk's, or those of what a network device sends and of what it gets: the guest's grants of them.
 * Waits for what the guest asks first. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* As Linux's <xen/gntdev.h> and <xen/evtchn.h> have them. */
struct map { uint32_t count, pad; uint64_t index; struct { uint32_t domain, grant; } page; };
struct other_end { uint32_t domain, port; };
#define MAP _IOC(_IOC_NONE, 'G', 0, sizeof(struct map))
#define BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, sizeof(struct other_end))
#define NOTIFY _IOC(_IOC_NONE, 'E', 4, sizeof(uint32_t))

/* The start of a ring: requests, from which on who is told, responses, from which on who is told. */
struct ring { uint32_t requests, request_event, responses, response_event, rest[12]; unsigned char entries[4032]; };

/* Responses; what takes more room in the ring has zeros behind. */
struct disk_response { uint64_t id; uint8_t operation; int16_t status; };
struct in_response { uint16_t id, offset, flags; int16_t status; };
struct out_response { uint16_t id; int16_t status; };

#define NEVER_ASKED 1000

static void must(int is_done, const char *what)
{
	if (!is_done) {
		perror(what);
		exit(1);
	}
}

static volatile struct ring *ring_of(int device, uint32_t guest, const char *grant)
{
	struct map map = { 1, 0, 0, { guest, strtoul(grant, 0, 10) } };
	void *page;

	must(ioctl(device, MAP, &map) == 0, "a grant");
	page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, map.index);
	must(page != MAP_FAILED, "a page");
	return page;
}

int main(int argc, char **argv)
{
	int pages = open("/dev/xen/gntdev", O_RDWR), events = open("/dev/xen/evtchn", O_RDWR);
	volatile struct ring *ring;
	struct other_end end;
	uint32_t port;
	int how;

	must(argc > 4 && pages >= 0 && events >= 0, "hostile");
	end.domain = strtoul(argv[2], 0, 10);
	end.port = strtoul(argv[3], 0, 10);
	how = ioctl(events, BIND_INTERDOMAIN, &end);
	must(how >= 0, "a channel");
	port = how;
	ring = ring_of(pages, end.domain, argv[argc > 5 && !strncmp(argv[1], "in-", 3) ? 5 : 4]);
	while (!ring->requests)
		usleep(10000);
	if (!strcmp(argv[1], "disk-id"))
		*(volatile struct disk_response *)ring->entries = (struct disk_response){ NEVER_ASKED, 0, 0 };
	else if (!strcmp(argv[1], "in-id"))
		*(volatile struct in_response *)ring->entries = (struct in_response){ NEVER_ASKED, 0, 0, 60 };
	else if (!strcmp(argv[1], "in-length"))
		*(volatile struct in_response *)ring->entries = (struct in_response){ 0, 4000, 0, 3000 };
	else if (!strcmp(argv[1], "out-id"))
		*(volatile struct out_response *)ring->entries = (struct out_response){ NEVER_ASKED, 0 };
	__sync_synchronize();
	ring->responses = strstr(argv[1], "count") ? ring->requests + 1 : 1;
	__sync_synchronize();
	must(ioctl(events, NOTIFY, &port) == 0, "an event");
	/* Its pages are the guest's until somebody ends this. */
	pause();
	return 0;
}
