/* futex by its number where nobody waits: words are changed and compared all the same. */
#include "expect.h"
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

static uint32_t word, other;
static long futex(uint32_t *uaddr, int op, unsigned value, const void *timeout, uint32_t *uaddr2, unsigned value3)
{
	return syscall(SYS_futex, uaddr, op, value, timeout, uaddr2, value3);
}
/* The word after an operation that asks whether it is 5. */
static long after(int operation, int argument)
{
	other = 5;
	long woken = futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, FUTEX_OP(operation, argument, FUTEX_OP_CMP_EQ, 5));
	return woken ? -1 : (long)other;
}

int main(void)
{
	struct timespec past = { 1, 0 };

	GIVES("set", after(FUTEX_OP_SET, 3), 3);
	GIVES("add", after(FUTEX_OP_ADD, 3), 8);
	GIVES("or", after(FUTEX_OP_OR, 3), 7);
	GIVES("and not", after(FUTEX_OP_ANDN, 4), 1);
	GIVES("xor", after(FUTEX_OP_XOR, 6), 3);
	GIVES("set a bit", after(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 4), 16);
	FAILS("no operation", futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, 7u << 28), ENOSYS);
	FAILS("no second word", futex(&word, FUTEX_WAKE_OP, 1, (void *)1, NULL, 0), EFAULT);
	GIVES("requeue", futex(&word, FUTEX_REQUEUE, 1, (void *)1, &other, 0), 0);
	FAILS("requeue less than nobody", futex(&word, FUTEX_REQUEUE, -1, (void *)1, &other, 0), EINVAL);
	GIVES("move to a lock", futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &other, 0), 0);
	FAILS("another value", futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &other, 1), EAGAIN);
	FAILS("wake two", futex(&word, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, &other, 0), EINVAL);
	FAILS("move to itself", futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &word, 0), EINVAL);
	FAILS("wait to be moved, another value", futex(&word, FUTEX_WAIT_REQUEUE_PI, 1, NULL, &other, 0), EAGAIN);
	FAILS("wait to be moved until long ago", futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, &past, &other, 0), ETIMEDOUT);
	FAILS("wait to be moved to itself", futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, &past, &word, 0), EINVAL);
	return finish();
}
