/* Calls that few programs make, by their numbers. */
#include "expect.h"
#include <sys/syscall.h>
#include <time.h>

int main(void)
{
	char room[1024] = { 0 };

	GIVES("personality", syscall(SYS_personality, 0xffffffffL), 0);
	GIVES("ioprio_get", syscall(SYS_ioprio_get, 1L, 0L) >= 0, 1);
	GIVES("clock_adjtime reads", syscall(SYS_clock_adjtime, (long)CLOCK_REALTIME, room) >= 0, 1);
	FAILS("semtimedop of nothing", syscall(SYS_semtimedop, -1L, 0L, 0L, 0L), EINVAL);
	return finish();
}
