/* Terminals: a pseudo terminal pair, termios, window size, sessions. */
#include "expect.h"
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

int main(void)
{
	struct termios mode;
	struct winsize size = { 0 };
	char text[64] = "";
	int unlocked, status, number = -1;

	int master = OPENED("posix_openpt", posix_openpt(O_RDWR | O_NOCTTY));
	GIVES("grantpt", grantpt(master), 0);
	GIVES("unlockpt", unlockpt(master), 0);
	GIVES("TIOCGPTLCK", ioctl(master, TIOCGPTLCK, &unlocked), 0);
	GIVES("unlocked", unlocked, 0);
	GIVES("ptsname_r", ptsname_r(master, text, sizeof text), 0);
	CHECK("a name below /dev/pts", strncmp(text, "/dev/pts/", 9) == 0);
	int slave = OPENED("open it", open(text, O_RDWR | O_NOCTTY));
	GIVES("isatty", isatty(slave), 1);
	CHECK("ttyname_r", ttyname_r(slave, text, sizeof text) == 0 && strncmp(text, "/dev/pts/", 9) == 0);
	CHECK("isatty of a file: ENOTTY", !isatty(0) && errno == ENOTTY);
	FAILS("tcgetattr of a file", tcgetattr(0, &mode), ENOTTY);
	FAILS("TIOCGWINSZ of a file", ioctl(0, TIOCGWINSZ, &size), ENOTTY);

	size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	GIVES("TIOCSWINSZ", ioctl(master, TIOCSWINSZ, &size), 0);
	memset(&size, 0, sizeof size);
	GIVES("TIOCGWINSZ", ioctl(slave, TIOCGWINSZ, &size), 0);
	say("%d rows, %d columns", size.ws_row, size.ws_col);

	GIVES("tcgetattr", tcgetattr(slave, &mode), 0);
	CHECK("it echoes, line by line", (mode.c_lflag & (ECHO | ICANON)) == (ECHO | ICANON));
	GIVES("write", write(master, "line\n", 5), 5);
	GIVES("a line arrives", read(slave, text, 64), 5);
	GIVES("the echo", read(master, text, 64), 6);
	cfmakeraw(&mode);
	GIVES("tcsetattr raw", tcsetattr(slave, TCSANOW, &mode), 0);
	GIVES("write", write(master, "a\n", 2), 2);
	GIVES("read", read(slave, text, 64), 2);
	GIVES("write", write(slave, "b\n", 2), 2);
	GIVES("read", read(master, text, 64), 2);
	GIVES("tcflush", tcflush(slave, TCIOFLUSH), 0);
	GIVES("tcdrain", tcdrain(slave), 0);
	FAILS("tcgetpgrp of a terminal that is not ours", tcgetpgrp(slave), ENOTTY);

	pid_t child = forkpty(&number, NULL, NULL, NULL);
	if (!child) {
		/* Whoever starts a job in the background may have it ignored. */
		signal(SIGINT, SIG_DFL);
		int good = isatty(0) && isatty(1) && getsid(0) == getpid() && tcgetpgrp(0) == getpid();
		dprintf(1, "the child has a terminal: %d\n", good);
		_exit(pause());
	}
	CHECK("forkpty", child > 0 && number >= 0);
	long length = read(number, text, 63);
	say("%.*s", (int)length - 2, text);
	GIVES("^C", write(number, "\3", 1), 1);
	waitpid(child, &status, 0);
	CHECK("SIGINT ends the child", WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	close(slave);
	char byte;
	FAILS("read of a terminal without a slave", read(master, &byte, 1), EIO);
	return finish();
}
