// skip-on: solo5-spt: a fault ends the guest there: nothing but Linux sees it
// skip-on: any-linux: a fault ends the process: the library OS has no handler of Linux's signals
/* A leaf function keeps live data below its stack pointer. A fault that is repaired leaves that alone:
 * one that puts memory behind a page, and one that a handler of the program repairs. */
#include "expect.h"
#include <signal.h>
#include <sys/mman.h>

/* Writes to a page with the 128 bytes below the stack pointer full of numbers: 0, or -1 if one differs. */
long leaf_touch(volatile char *page);
__asm__(
	".text\n"
	".globl leaf_touch\n"
	"leaf_touch:\n"
	"	movabs $0x8877665544332211, %r8\n"
	"	.set i, 1\n"
	"	.rept 16\n"
	"	lea i(%r8), %r9\n"
	"	mov %r9, -8 * i(%rsp)\n"
	"	.set i, i + 1\n"
	"	.endr\n"
	"	movq %r8, %xmm7\n"
	"	movb $9, (%rdi)\n"
	"	movq %xmm7, %r9\n"
	"	cmp %r8, %r9\n"
	"	jne 1f\n"
	"	.set i, 1\n"
	"	.rept 16\n"
	"	lea i(%r8), %r9\n"
	"	cmp %r9, -8 * i(%rsp)\n"
	"	jne 1f\n"
	"	.set i, i + 1\n"
	"	.endr\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	"1:	mov $-1, %rax\n"
	"	ret\n");

#define PAGES 64

static char *page;
static volatile int repairs;

static void repair(int signal, siginfo_t *info, void *context)
{
	volatile char used[512];
	for (unsigned i = 0; i < sizeof used; i++)
		used[i] = 1;
	repairs++;
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

int main(void)
{
	char *pages = mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long changed = 0;
	for (int i = 0; i < PAGES; i++)
		changed += leaf_touch(pages + i * 4096);
	GIVES("pages that come when they are touched", changed, 0);
	int written = 0;
	for (int i = 0; i < PAGES; i++)
		written += pages[i * 4096] == 9;
	GIVES("pages written", written, PAGES);

	struct sigaction action = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &action, 0);
	for (int i = 0; i < PAGES; i++) {
		page = pages + i * 4096;
		mprotect(page, 4096, i % 2 ? PROT_NONE : PROT_READ);
		changed += leaf_touch(page);
	}
	GIVES("pages that a handler repairs", changed, 0);
	CHECK("each was repaired", repairs >= PAGES);
	return finish();
}
