/* What calls cost that need no device: one line each, its name, the quickest batch and the one in the middle,
 * in ns. */
#include "measure.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096
#define BATCH 2000
#define BATCHES 60

static int file;
static char *page;

static void call_getpid(void)
{
	getpid();
}

static void call_clock_gettime(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
}

static void call_clock_gettime_by_number(void)
{
	struct timespec time;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
}

static void call_lseek(void)
{
	if (lseek(file, 0, SEEK_SET) != 0) fail("lseek");
}

static void call_read(void)
{
	if (pread(file, page, PAGE, 0) != PAGE) fail("pread");
}

static void call_write(void)
{
	if (pwrite(file, page, PAGE, 0) != PAGE) fail("pwrite");
}

static void call_read_little(void)
{
	if (pread(file, page, 64, 0) != 64) fail("pread");
}

static void call_write_little(void)
{
	if (pwrite(file, page, 64, 0) != 64) fail("pwrite");
}

static void call_mmap(void)
{
	void *mapped = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED || munmap(mapped, PAGE)) fail("mmap");
}

static void call_mmap_touched(void)
{
	char *mapped = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED) fail("mmap");
	*(volatile char *)mapped = 1;
	if (munmap(mapped, PAGE)) fail("munmap");
}

static void measure(const char *name, void (*call)(void))
{
	double took[BATCHES];
	for (int batch = 0; batch < BATCHES; batch++) {
		double start = now();
		for (int i = 0; i < BATCH; i++) call();
		took[batch] = (now() - start) / BATCH;
	}
	print(name, took, BATCHES);
}

int main(int argc, char **argv)
{
	char path[256];
	snprintf(path, sizeof path, "%s/muslin-bench-XXXXXX", argc > 1 ? argv[1] : "/tmp");
	file = mkstemp(path);
	if (file < 0) fail(path);
	unlink(path);
	page = malloc(PAGE);
	if (pwrite(file, page, PAGE, 0) != PAGE) fail("pwrite");
	measure("getpid", call_getpid);
	measure("clock_gettime", call_clock_gettime);
	measure("clock_gettime by number", call_clock_gettime_by_number);
	measure("lseek", call_lseek);
	measure("read of 64 bytes", call_read_little);
	measure("write of 64 bytes", call_write_little);
	measure("read of a page", call_read);
	measure("write of a page", call_write);
	measure("mmap and munmap of a page", call_mmap);
	measure("the same, written to", call_mmap_touched);
	return 0;
}
