/* The same of a Linux that is dom0, by its devices: one line each, its name, the quickest batch and the one in the
 * middle, in ns. */
#include "xen_measure.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct hypercall { uint64_t nr, arguments[5]; };
struct other_end { uint32_t domain, port; };

#define HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct hypercall))
#define BIND_INTERDOMAIN _IOC(_IOC_NONE, 'E', 1, sizeof(struct other_end))
#define BIND_UNBOUND _IOC(_IOC_NONE, 'E', 2, sizeof(uint32_t))
#define NOTIFY _IOC(_IOC_NONE, 'E', 4, sizeof(uint32_t))

static int privcmd, events;
static uint32_t sender;

static void call_getpid(void)
{
	syscall(SYS_getpid);
}

static void call_nothing(void)
{
	struct hypercall call = { XEN_VERSION, { 0 } };

	if (ioctl(privcmd, HYPERCALL, &call) < 0)
		fail("xen_version");
}

static void call_event(void)
{
	uint32_t port;

	if (ioctl(events, NOTIFY, &sender) < 0 || read(events, &port, sizeof port) != sizeof port
		|| write(events, &port, sizeof port) != sizeof port)
		fail("an event");
}

int main(void)
{
	uint32_t self = 0;
	struct other_end end = { 0, 0 };
	int port;

	privcmd = open("/dev/xen/privcmd", O_RDWR);
	events = open("/dev/xen/evtchn", O_RDWR);
	if (privcmd < 0 || events < 0)
		fail("/dev/xen");
	port = ioctl(events, BIND_UNBOUND, &self);
	if (port < 0)
		fail("bind unbound");
	end.port = port;
	port = ioctl(events, BIND_INTERDOMAIN, &end);
	if (port < 0)
		fail("bind interdomain");
	sender = port;
	measure("getpid", call_getpid, 2000);
	measure("null hypercall", call_nothing, 100);
	measure("event to itself, waited for", call_event, 50);
	measure("sleep of 1 ms", call_sleep, 1);
	return 0;
}
