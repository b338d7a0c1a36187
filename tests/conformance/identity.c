/* Who the process is: user, group, session and process numbers. */
#include "expect.h"
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

int main(void)
{
	uid_t uid = getuid(), euid = geteuid(), real, effective, saved;
	gid_t gid = getgid(), egid = getegid(), rgid, effective_gid, saved_gid;

	CHECK("pid>0", getpid() > 0);
	CHECK("a parent other than itself", getppid() != getpid());
	CHECK("gettid is getpid in the first thread", gettid() == getpid());
	GIVES("getresuid", getresuid(&real, &effective, &saved), 0);
	CHECK("getresuid agrees with getuid and geteuid", real == uid && effective == euid);
	GIVES("getresgid", getresgid(&rgid, &effective_gid, &saved_gid), 0);
	CHECK("getresgid agrees with getgid and getegid", rgid == gid && effective_gid == egid);
	CHECK("issetugid", issetugid() == 0);

	GIVES("setuid to the same", setuid(uid), 0);
	GIVES("setgid to the same", setgid(gid), 0);
	GIVES("setreuid -1 -1", setreuid(-1, -1), 0);
	GIVES("setregid -1 -1", setregid(-1, -1), 0);
	GIVES("setresuid -1 -1 -1", setresuid(-1, -1, -1), 0);
	GIVES("setresgid -1 -1 -1", setresgid(-1, -1, -1), 0);
	GIVES("seteuid to the same", seteuid(euid), 0);
	GIVES("setegid to the same", setegid(egid), 0);
	FAILS("setuid -1", setuid(-1), EINVAL);
	FAILS("setgid -1", setgid(-1), EINVAL);
	CHECK("setfsuid -1 gives the present one", (uid_t)setfsuid(-1) == euid);
	CHECK("setfsgid -1 gives the present one", (gid_t)setfsgid(-1) == egid);

	gid_t groups[256];
	int count = getgroups(0, NULL);
	CHECK("getgroups counts", count >= 0);
	CHECK("getgroups gives as many as it counts", getgroups(256, groups) == count);
	FAILS("getgroups with a negative size", getgroups(-1, groups), EINVAL);

	umask(027);
	GIVES("umask gives the former mask", umask(022), 027);
	GIVES("umask keeps nine bits only", (umask(07777), umask(022)), 0777);

	CHECK("getpgrp is getpgid(0)", getpgrp() == getpgid(0));
	/* 0 is a session as well: that of a leader outside the pid namespace, or of init. */
	CHECK("getsid of self", getsid(0) >= 0 && getsid(0) == getsid(getpid()));
	FAILS("getpgid of nobody", getpgid(0x3fffffff), ESRCH);
	FAILS("getsid of nobody", getsid(0x3fffffff), ESRCH);
	FAILS("setpgid of nobody", setpgid(0x3fffffff, 0), ESRCH);
	FAILS("setpgid to a negative group", setpgid(0, -1), EINVAL);
	return finish();
}
