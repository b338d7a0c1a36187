/* Extended attributes: whatever the file system says, every platform must say it alike. */
#include "expect.h"
#include <fcntl.h>
#include <sys/xattr.h>

#define SEEN(what, call) do { \
		errno = 0; \
		long got_ = (call); \
		say("%s: ret=%ld errno=%s", what, got_, errno_name(errno)); \
	} while (0)

int main(void)
{
	char room[256] = "";
	make_file("file", "x");
	symlink("file", "link");
	int fd = open("file", O_RDWR);
	SEEN("setxattr", setxattr("file", "user.first", "value", 5, 0));
	SEEN("XATTR_CREATE again", setxattr("file", "user.first", "value", 5, XATTR_CREATE));
	SEEN("XATTR_REPLACE of nothing", setxattr("file", "user.second", "value", 5, XATTR_REPLACE));
	SEEN("fsetxattr", fsetxattr(fd, "user.second", "more", 4, 0));
	SEEN("getxattr", getxattr("file", "user.first", room, sizeof room));
	say("%.5s", room);
	SEEN("getxattr asks the length", getxattr("link", "user.first", NULL, 0));
	SEEN("getxattr with little room", getxattr("file", "user.first", room, 2));
	SEEN("fgetxattr", fgetxattr(fd, "user.second", room, sizeof room));
	SEEN("getxattr of nothing", getxattr("file", "user.third", room, sizeof room));
	SEEN("listxattr", listxattr("file", NULL, 0));
	SEEN("flistxattr", flistxattr(fd, NULL, 0));
	SEEN("llistxattr of a link", llistxattr("link", room, sizeof room));
	SEEN("lsetxattr of a link", lsetxattr("link", "user.first", "x", 1, 0));
	SEEN("lgetxattr of a link", lgetxattr("link", "user.first", room, sizeof room));
	SEEN("removexattr", removexattr("file", "user.first"));
	SEEN("fremovexattr", fremovexattr(fd, "user.second"));
	SEEN("lremovexattr", lremovexattr("link", "user.second"));
	SEEN("a name without a space", setxattr("file", "nonsense", "x", 1, 0));
	FAILS("setxattr of nothing", setxattr("nothing", "user.x", "x", 1, 0), ENOENT);
	FAILS("fgetxattr EBADF", fgetxattr(-1, "user.x", room, sizeof room), EBADF);
	return finish();
}
