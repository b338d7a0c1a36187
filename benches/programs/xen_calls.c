/* What a guest of Xen pays: one line each, its name, the quickest batch and the one in the middle, in ns.
 *
 *   xen_calls ADDRESS
 *
 * ADDRESS is that of the code by which the image makes hypercalls, as `nm` knows it. */
#include "xen_measure.h"
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

enum { VCPU_OP = 24, SCHED_OP = 29, EVENT_CHANNEL_OP = 32 };
enum { GET_RUNSTATE = 4, POLL = 3, BIND_INTERDOMAIN = 0, SEND = 4, ALLOC_UNBOUND = 6 };
enum { SELF = 0x7ff0, RUNNING = 0 };

/* The page that Xen shares with the guest: the words with a bit for each channel that has an event. */
#define PENDING ((volatile uint64_t *)(0x10000 + 2048))

static uintptr_t code;
static uint32_t sender, receiver;

static long hypercall(long nr, long a, void *b, long c)
{
	long d = 0;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = d;
	long answer = nr;

	__asm__ volatile("sub $128, %%rsp; call *%[code]; add $128, %%rsp"
		: "+a"(answer), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
		: [code] "b"(code) : "rcx", "r11", "r9", "memory");
	return answer;
}

static void must(const char *what, long answer)
{
	if (answer < 0) {
		errno = -answer;
		fail(what);
	}
}

static void call_getpid(void)
{
	getpid();
}

static void call_nothing(void)
{
	must("xen_version", hypercall(XEN_VERSION, 0, 0, 0));
}

static void call_event(void)
{
	must("send", hypercall(EVENT_CHANNEL_OP, SEND, &sender, 0));
	if (!(__atomic_fetch_and(&PENDING[receiver / 64], ~(1UL << receiver % 64), __ATOMIC_SEQ_CST) >> receiver % 64 & 1)) {
		errno = EIO;
		fail("an event");
	}
}

static void call_waited_event(void)
{
	struct { uint32_t *ports; uint32_t count; uint64_t timeout; } wait = { &receiver, 1, 0 };

	must("send", hypercall(EVENT_CHANNEL_OP, SEND, &sender, 0));
	must("poll", hypercall(SCHED_OP, POLL, &wait, 0));
	__atomic_fetch_and(&PENDING[receiver / 64], ~(1UL << receiver % 64), __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv)
{
	struct { int state; uint64_t since, times[4]; } processor = { 0 };
	struct { uint16_t own, other; uint32_t port; } unbound = { SELF, SELF, 0 };
	struct { uint16_t other; uint32_t port, own_port; } bound = { SELF, 0, 0 };
	double to_main;

	code = argc > 1 ? strtoul(argv[1], 0, 16) : 0;
	if (!code) {
		errno = EINVAL;
		fail("the address of the code for hypercalls");
	}
	must("runstate", hypercall(VCPU_OP, GET_RUNSTATE, 0, (long)&processor));
	to_main = processor.times[RUNNING];
	print("creation to main, processor time", &to_main, 1);
	must("alloc_unbound", hypercall(EVENT_CHANNEL_OP, ALLOC_UNBOUND, &unbound, 0));
	receiver = bound.port = unbound.port;
	must("bind_interdomain", hypercall(EVENT_CHANNEL_OP, BIND_INTERDOMAIN, &bound, 0));
	sender = bound.own_port;
	/* Who joins a channel is told of it. */
	PENDING[receiver / 64] &= ~(1UL << receiver % 64);
	PENDING[sender / 64] &= ~(1UL << sender % 64);
	measure("getpid", call_getpid, 2000);
	measure("null hypercall", call_nothing, 100);
	measure("event to itself", call_event, 50);
	measure("event to itself, waited for", call_waited_event, 50);
	measure("sleep of 1 ms", call_sleep, 1);
	return 0;
}
