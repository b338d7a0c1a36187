// skip-on: solo5-spt: the tender's filter ends a guest that makes calls by the instruction
/* A leaf function keeps live data below its stack pointer. A call by the instruction `syscall` leaves
 * that alone, and all registers but three, also if other threads run meanwhile. */
#include "expect.h"
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

#define CHANGED (-1000000)

/* The call, with the 128 bytes and the registers it must keep full of numbers; CHANGED if one differs. */
long leaf_call(long nr, const void *a, const void *b, long c);
__asm__(
	".text\n"
	".globl leaf_call\n"
	"leaf_call:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	movabs $0x1122334455667788, %r8\n"
	"	lea 77(%r8), %r10\n"
	"	.set i, 1\n"
	"	.rept 16\n"
	"	lea i(%r8), %r9\n"
	"	mov %r9, -8 * i(%rsp)\n"
	"	.set i, i + 1\n"
	"	.endr\n"
	"	movq %r8, %xmm7\n"
	"	syscall\n"
	"	movq %xmm7, %r9\n"
	"	cmp %r8, %r9\n"
	"	jne 1f\n"
	"	lea 77(%r8), %r9\n"
	"	cmp %r9, %r10\n"
	"	jne 1f\n"
	"	.set i, 1\n"
	"	.rept 16\n"
	"	lea i(%r8), %r9\n"
	"	cmp %r9, -8 * i(%rsp)\n"
	"	jne 1f\n"
	"	.set i, i + 1\n"
	"	.endr\n"
	"	movabs $0x1122334455667788, %r9\n"
	"	cmp %r9, %r8\n"
	"	jne 1f\n"
	"	ret\n"
	"1:	mov $-1000000, %rax\n"
	"	ret\n");

static const struct timespec moment = { 0, 3000000 };

static void *calls(void *unused)
{
	long done = 0;
	for (int i = 0; i < 20; i++) {
		done += leaf_call(SYS_nanosleep, &moment, 0, 0) == 0;
		done += leaf_call(SYS_getpid, 0, 0, 0) == getpid();
		done += leaf_call(SYS_sched_yield, 0, 0, 0) == 0;
	}
	return (void *)done;
}

int main(void)
{
	GIVES("a call that nobody has", leaf_call(511, 0, 0, 0), -ENOSYS);
	CHECK("getpid", leaf_call(SYS_getpid, 0, 0, 0) == getpid());
	GIVES("write", leaf_call(SYS_write, (void *)1, "by the instruction\n", 19), 19);
	GIVES("write EBADF", leaf_call(SYS_write, (void *)-1, "x", 1), -EBADF);
	GIVES("nanosleep", leaf_call(SYS_nanosleep, &moment, 0, 0), 0);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], 0, calls, 0);
	for (int i = 0; i < 4; i++) {
		void *done;
		pthread_join(threads[i], &done);
		GIVES("calls of a thread that changed nothing", (long)done, 60);
	}
	return finish();
}
