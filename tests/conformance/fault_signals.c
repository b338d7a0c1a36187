// skip-on: solo5-spt: a fault ends the guest there: nothing but Linux sees it
// skip-on: any-linux: a fault ends the process: the library OS has no handler of Linux's signals
/* Faults as signals: which, with what code and address, and how their handlers go on. */
#include "expect.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int seen, code, trap;
static void *volatile address;
static volatile uintptr_t program_counter;

static void jump(int number, siginfo_t *info, void *context)
{
	seen = number;
	code = info->si_code;
	address = info->si_addr;
	program_counter = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	trap = ((ucontext_t *)context)->uc_mcontext.gregs[REG_TRAPNO];
	siglongjmp(back, 1);
}

static void null_read(void) { (void)*(volatile int *)16; }
static void null_write(void) { *(volatile int *)24 = 1; }
static void wild_jump(void) { ((void (*)(void))32)(); }
static void not_canonical(void) { (void)*(volatile int *)0x8000000000000000ul; }
static volatile int zero;
static volatile int seven = 7;
static void division(void) { zero = seven / zero; }
static void overflow(void) { volatile int least = -2147483647 - 1, minus = -1; zero = least / minus; }
static void illegal(void) { __asm__ volatile ("ud2"); }
/* Of the older unit: emulated processors do not raise those of SSE. */
static void floating(void)
{
	unsigned short control = 0x37f & ~4;
	__asm__ volatile ("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" :: "m"(control));
}
static void *page;
static void read_only(void) { *(volatile char *)page = 1; }
static void forbidden(void) { (void)*((volatile char *)page + 4096); }
static void hole(void) { (void)*((volatile char *)page + 8192); }
static void data(void) { ((void (*)(void))page)(); }

static void try(const char *what, void (*function)(void), void *expected)
{
	seen = code = trap = 0;
	address = (void *)-1;
	if (!sigsetjmp(back, 1)) function();
	__asm__ volatile ("fninit");
	say("%s: signal %d, code %d, trap %d", what, seen, code, trap);
	if (expected == (void *)-1) CHECK("its address is that of the instruction", address == (void *)program_counter);
	else CHECK("its address", address == expected);
}

/* A handler that puts right what was wrong. */
static volatile int repaired;
static void repair(int number, siginfo_t *info, void *context)
{
	(void)number; (void)context;
	repaired++;
	mprotect((void *)((uintptr_t)info->si_addr & -4096), 4096, PROT_READ | PROT_WRITE);
}
/* One that goes on behind the instruction, with another register and flags. */
static void skip(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)number; (void)info;
	u->uc_mcontext.gregs[REG_RIP] += 2;
	u->uc_mcontext.gregs[REG_RBX] = 4711;
	u->uc_mcontext.gregs[REG_EFL] |= 1;
	sigaddset(&u->uc_sigmask, SIGUSR1);
}
static volatile int steps;
static void step(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)number;
	/* The trap that a program sets for itself has neither; a step has the trap flag. */
	if (steps++ == 0) u->uc_mcontext.gregs[REG_EFL] |= 0x100;
	if (steps == 5) u->uc_mcontext.gregs[REG_EFL] &= ~0x100;
	code = info->si_code;
}
/* All vector registers come back, and the handler may use them. */
static void use_vectors(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	volatile double x = 3;
	(void)number; (void)info;
	for (int i = 0; i < 10; i++) x = x * x / 3 + i;
	__asm__ volatile ("pxor %%xmm0,%%xmm0; pxor %%xmm7,%%xmm7; pxor %%xmm15,%%xmm15; fldz; fldz"
		::: "xmm0", "xmm7", "xmm15");
	CHECK("a handler starts with the usual control words", ({ unsigned c; __asm__ volatile ("stmxcsr %0" : "=m"(c)); (c & 0xffc0) == 0x1f80; }));
	u->uc_mcontext.gregs[REG_RIP] += 2;
}
/* Faults within handlers of faults. */
static volatile int depth;
static sigjmp_buf deep;
static void nested(int number)
{
	if (++depth == 5) siglongjmp(deep, 1);
	if (number == SIGSEGV) division();
	else null_read();
}
static void *in_thread(void *unused)
{
	(void)unused;
	try("in a thread", null_write, (void *)24);
	return 0;
}

int main(void)
{
	static char other[65536];
	sigaltstack(&(stack_t){ .ss_sp = other, .ss_size = sizeof other }, NULL);
	struct sigaction action = { .sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static const int all[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	for (int i = 0; i < 5; i++) sigaction(all[i], &action, NULL);

	page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(page, 0xc3, 4096);
	mprotect(page, 4096, PROT_READ);
	mprotect((char *)page + 4096, 4096, PROT_NONE);
	munmap((char *)page + 8192, 4096);

	for (int i = 0; i < 2; i++) {
		try("a null pointer, read", null_read, (void *)16);
		try("a null pointer, written", null_write, (void *)24);
		try("a null pointer, called", wild_jump, (void *)32);
		try("no address at all", not_canonical, NULL);
		try("division by zero", division, (void *)-1);
		try("a quotient too large", overflow, (void *)-1);
		try("no instruction", illegal, (void *)-1);
		try("floating point division", floating, (void *)-1);
		try("read-only memory", read_only, page);
		try("PROT_NONE", forbidden, (char *)page + 4096);
		try("a hole", hole, (char *)page + 8192);
		try("execution of data", data, page);
	}
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &action, NULL);
	pthread_t t;
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);

	action.sa_sigaction = repair;
	sigaction(SIGSEGV, &action, NULL);
	((char *)page)[7] = 9;
	CHECK("repaired and made again", repaired == 1 && ((char *)page)[7] == 9);

	sigset_t set;
	long rbx;
	int carry;
	action.sa_sigaction = skip;
	sigaction(SIGILL, &action, NULL);
	__asm__ volatile ("xor %%ebx,%%ebx; ud2; mov %%rbx,%0; setc %b1" : "=r"(rbx), "=r"(carry) :: "rbx", "cc");
	say("behind the instruction: register %ld, carry %d", rbx, carry & 1);
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK("the mask that the handler left", sigismember(&set, SIGUSR1) == 1 && !sigismember(&set, SIGILL));

	action.sa_sigaction = use_vectors;
	sigaction(SIGILL, &action, NULL);
	long in[4] = { 0x1111, 0x7777, 0x1515, 0 }, out[3];
	unsigned control = 0x3f80, control_after;
	__asm__ volatile ("ldmxcsr %7; movq %3,%%xmm0; movq %4,%%xmm7; movq %5,%%xmm15; fldpi; ud2; fstp %%st(0);"
		"movq %%xmm0,%0; movq %%xmm7,%1; movq %%xmm15,%2; stmxcsr %6"
		: "=m"(out[0]), "=m"(out[1]), "=m"(out[2]) : "m"(in[0]), "m"(in[1]), "m"(in[2]), "m"(control_after), "m"(control)
		: "xmm0", "xmm7", "xmm15", "memory");
	say("vector registers: %lx %lx %lx, control %x", out[0], out[1], out[2], control_after & 0xffc0);
	control = 0x1f80;
	__asm__ volatile ("ldmxcsr %0" :: "m"(control));

	action.sa_sigaction = step;
	sigaction(SIGTRAP, &action, NULL);
	__asm__ volatile ("int3; nop; nop; nop; nop; nop; nop");
	say("a breakpoint and four steps: %d, the last is TRAP_TRACE: %d", steps, code == TRAP_TRACE);

	/* Each handler faults in its turn; the signal under way is blocked unless SA_NODEFER. */
	action = (struct sigaction){ .sa_handler = nested, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	if (!sigsetjmp(deep, 1)) null_read();
	say("faults in handlers: %d deep", depth);
	return finish();
}
