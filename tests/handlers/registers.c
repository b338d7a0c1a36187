// also: library_os
/* A handler is a C function: it may use every register that C lets it, and the caller of a libc
 * function notices nothing: callee-saved registers, the control words of both floating-point units
 * and the direction flag are as they were. */
#include "check.h"
#include <math.h>

static long clobber(const struct muslin_call *call, void *context)
{
	(void)context;
	__asm__ volatile (
		"pcmpeqd %%xmm0,%%xmm0\n" "pcmpeqd %%xmm1,%%xmm1\n" "pcmpeqd %%xmm2,%%xmm2\n"
		"pcmpeqd %%xmm3,%%xmm3\n" "pcmpeqd %%xmm4,%%xmm4\n" "pcmpeqd %%xmm5,%%xmm5\n"
		"pcmpeqd %%xmm6,%%xmm6\n" "pcmpeqd %%xmm7,%%xmm7\n" "pcmpeqd %%xmm8,%%xmm8\n"
		"pcmpeqd %%xmm9,%%xmm9\n" "pcmpeqd %%xmm10,%%xmm10\n" "pcmpeqd %%xmm11,%%xmm11\n"
		"pcmpeqd %%xmm12,%%xmm12\n" "pcmpeqd %%xmm13,%%xmm13\n" "pcmpeqd %%xmm14,%%xmm14\n"
		"pcmpeqd %%xmm15,%%xmm15\n"
		"mov $-1,%%rcx\n" "mov $-1,%%rdx\n" "mov $-1,%%rsi\n" "mov $-1,%%rdi\n"
		"mov $-1,%%r8\n" "mov $-1,%%r9\n" "mov $-1,%%r10\n" "mov $-1,%%r11\n"
		::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
		"xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
		"rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
	return muslin_next(call);
}

/* Calls a function with patterns in all callee-saved registers; which of them are changed. */
long changed_registers(void *function);
__asm__ (
	".text\n"
	"changed_registers:\n"
	"push %rbx\n" "push %rbp\n" "push %r12\n" "push %r13\n" "push %r14\n" "push %r15\n"
	"sub $8,%rsp\n"
	"mov $0x1111,%rbx\n" "mov $0x2222,%rbp\n" "mov $0x3333,%r12\n"
	"mov $0x4444,%r13\n" "mov $0x5555,%r14\n" "mov $0x6666,%r15\n"
	"call *%rdi\n"
	"sub $0x1111,%rbx\n" "sub $0x2222,%rbp\n" "sub $0x3333,%r12\n"
	"sub $0x4444,%r13\n" "sub $0x5555,%r14\n" "sub $0x6666,%r15\n"
	"mov %rbx,%rax\n" "or %rbp,%rax\n" "or %r12,%rax\n"
	"or %r13,%rax\n" "or %r14,%rax\n" "or %r15,%rax\n"
	"pushf\n" "pop %rcx\n" "and $0x400,%ecx\n" "or %rcx,%rax\n"
	"add $8,%rsp\n"
	"pop %r15\n" "pop %r14\n" "pop %r13\n" "pop %r12\n" "pop %rbp\n" "pop %rbx\n"
	"ret\n"
);

static long call_by_number(void)
{
	return syscall(SYS_getuid);
}

/* A cancellation point. */
static long sleep_a_little(void)
{
	return usleep(1);
}

int main(void)
{
	for (unsigned flags = 0; flags <= MUSLIN_OWN_STACK; flags += MUSLIN_OWN_STACK) {
		unsigned mxcsr_before, mxcsr_after;
		unsigned short x87_before, x87_after;
		muslin_register(SYS_getppid, clobber, 0, flags, NULL);
		muslin_register(SYS_getuid, clobber, 0, flags, NULL);
		muslin_register(SYS_nanosleep, clobber, 0, flags, NULL);
		__asm__ volatile ("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr_before), "=m"(x87_before));
		GIVES(changed_registers(getppid), 0);
		GIVES(changed_registers(call_by_number), 0);
		GIVES(changed_registers(sleep_a_little), 0);
		__asm__ volatile ("stmxcsr %0\n fnstcw %1" : "=m"(mxcsr_after), "=m"(x87_after));
		GIVES(mxcsr_after, mxcsr_before);
		GIVES(x87_after, x87_before);
		volatile double x = 2.0, sum = 0;
		for (int i = 0; i < 10; i++) {
			double root = sqrt(x + i);
			getppid();
			sum += root * root;
		}
		CHECK(fabs(sum - 65.0) < 1e-9);
	}
	return finish();
}
