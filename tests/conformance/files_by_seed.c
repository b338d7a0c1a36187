/* Twenty thousand operations on a small tree of files, chosen by seed: every result, and now and then
 * the whole tree, must be the same everywhere. */
#include "expect.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define OPERATIONS 20000
#define FDS 8

static unsigned long long state = 2 * 0x9e3779b97f4a7c15ULL, digest = 14695981039346656037ULL;
static int fds[FDS];
static char room[20000];

static unsigned next(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void note(const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		digest = (digest ^ ((const unsigned char *)bytes)[i]) * 1099511628211ULL;
}

static void note_number(long number) { note(&number, sizeof number); }

/* What a call gave: the error, or what it returned. */
static long took(long result)
{
	note_number(result < 0 ? -errno : result);
	return result;
}

/* Names are few, so that they meet: in one another, through links, with dots and slashes. */
static const char *path(void)
{
	static char paths[2][64];
	static int which;
	static const char *const parts[] = { "a", "b", "c", "dir", "other", "link", "..", "." };
	char *to = paths[which ^= 1];
	*to = 0;
	for (unsigned depth = 1 + next(3); depth > 0; depth--) {
		/* Never above the directory that all is in. */
		const char *part = parts[next(*to ? 8 : 6)];
		if (!strcmp(part, "..") && strlen(to) < 4) part = "a";
		strcat(strcat(to, part), depth > 1 || next(20) == 0 ? "/" : "");
	}
	if (strstr(to, "..")) strcpy(to, "dir/../b");
	return to;
}

static void note_stat(const struct stat *about)
{
	note_number(about->st_mode);
	if (S_ISDIR(about->st_mode)) return;
	note_number(about->st_size);
	note_number(about->st_nlink);
}

static void operate(void)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL,
		O_RDWR | O_CREAT | O_TRUNC, O_WRONLY | O_APPEND | O_CREAT, O_RDWR | O_NOFOLLOW,
		O_RDONLY | O_DIRECTORY, O_PATH };
	struct stat about;
	int *fd = &fds[next(FDS)];
	const char *one = path();
	size_t size = next(10) ? next(300) : next(sizeof room);
	long offset = next(5) ? next(9000) : next(200000);
	switch (next(26)) {
	case 0: case 1: case 2:
		if (*fd >= 0) close(*fd);
		*fd = open(one, flags[next(sizeof flags / sizeof *flags)], 0644);
		note_number(*fd < 0 ? -errno : 0);
		break;
	case 3: case 4: memset(room, 'a' + next(26), size); took(write(*fd, room, size)); break;
	case 5: case 6: memset(room, 'A' + next(26), size); took(pwrite(*fd, room, size, offset)); break;
	case 7: case 8: { long got = took(read(*fd, room, size)); if (got > 0) note(room, got); break; }
	case 9: { long got = took(pread(*fd, room, size, offset)); if (got > 0) note(room, got); break; }
	case 10: took(lseek(*fd, offset, next(3))); break;
	case 11: took(ftruncate(*fd, offset)); break;
	case 12: took(truncate(one, offset)); break;
	case 13: took(mkdir(one, 0755)); break;
	case 14: took(rmdir(one)); break;
	case 15: took(unlink(one)); break;
	case 16: took(rename(one, path())); break;
	case 17: took(link(one, path())); break;
	case 18: took(symlink(next(2) ? "a" : "dir/b", one)); break;
	case 19: { long got = took(readlink(one, room, 100)); if (got > 0) note(room, got); break; }
	case 20: if (took(stat(one, &about)) == 0) note_stat(&about); break;
	case 21: if (took(lstat(one, &about)) == 0) note_stat(&about); break;
	case 22: if (took(fstat(*fd, &about)) == 0) note_stat(&about); break;
	case 23: took(chmod(one, 0700 | next(64))); break;
	case 24: took(copy_file_range(fds[next(FDS)], NULL, *fd, NULL, size, 0)); break;
	case 25: {
		struct iovec pieces[2] = { { room, size / 2 }, { room + size / 2, size / 3 } };
		long got = took(preadv(*fd, pieces, 2, offset));
		if (got > 0) note(room, got);
		break;
	}
	}
}

/* All names below, in order, with what they are. */
static int walk(const char *directory)
{
	struct dirent **names;
	int total = 0, count = scandir(directory, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char below[600];
		struct stat about;
		if (strcmp(names[i]->d_name, ".") && strcmp(names[i]->d_name, "..")) {
			snprintf(below, sizeof below, "%s/%s", directory, names[i]->d_name);
			note(below, strlen(below));
			total++;
			if (lstat(below, &about) == 0) {
				note_stat(&about);
				if (S_ISDIR(about.st_mode)) total += walk(below);
			}
		}
		free(names[i]);
	}
	if (count >= 0) free(names);
	return total;
}

int main(void)
{
	for (int i = 0; i < FDS; i++) fds[i] = -1;
	umask(022);
	for (int i = 1; i <= OPERATIONS; i++) {
		operate();
		if (i % 1000 == 0) {
			int names = walk(".");
			say("after %d operations: %d names, %016llx", i, names, digest);
		}
	}
	return finish();
}
