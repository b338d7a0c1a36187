/* What the system says of itself: uname, sysinfo, sysconf, statvfs, host name. */
#include "expect.h"
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void)
{
	struct utsname name;
	struct sysinfo info;
	struct statvfs fs;
	char host[256];

	GIVES("uname", uname(&name), 0);
	say("system %s, machine %s", name.sysname, name.machine);
	CHECK("release is not empty", name.release[0] != 0);
	FAILS("uname EFAULT", uname((void *)8), EFAULT);
	GIVES("gethostname", gethostname(host, sizeof host), 0);
	CHECK("gethostname agrees with uname", strcmp(host, name.nodename) == 0);

	GIVES("sysinfo", sysinfo(&info), 0);
	CHECK("sysinfo: memory", info.totalram > 0 && info.freeram <= info.totalram && info.mem_unit > 0);
	CHECK("sysinfo: processes", info.procs > 0);

	GIVES("page size", sysconf(_SC_PAGESIZE), 4096);
	GIVES("getpagesize", getpagesize(), 4096);
	GIVES("clock ticks", sysconf(_SC_CLK_TCK), 100);
	CHECK("processors on line", sysconf(_SC_NPROCESSORS_ONLN) > 0);
	CHECK("get_nprocs agrees", get_nprocs() == sysconf(_SC_NPROCESSORS_ONLN));
	CHECK("physical pages", sysconf(_SC_PHYS_PAGES) > 0);
	CHECK("open files", sysconf(_SC_OPEN_MAX) > 0);
	CHECK("MINSIGSTKSZ", sysconf(_SC_MINSIGSTKSZ) >= 2048);
	FAILS("sysconf of nonsense", sysconf(-7), EINVAL);
	GIVES("pathconf PATH_MAX", pathconf(".", _PC_PATH_MAX), 4096);
	GIVES("fpathconf PIPE_BUF", fpathconf(0, _PC_PIPE_BUF), 4096);

	GIVES("statvfs", statvfs(".", &fs), 0);
	CHECK("statvfs: block size and name length", fs.f_bsize > 0 && fs.f_namemax >= 255);
	FAILS("statvfs of nothing", statvfs("nothing", &fs), ENOENT);
	FAILS("fstatvfs EBADF", fstatvfs(-1, &fs), EBADF);
	return finish();
}
