/* stdio over files and memory. */
#include "expect.h"
#include <fcntl.h>
#include <wchar.h>

int main(void)
{
	char line[128], *text = NULL;
	size_t room = 0;

	FILE *file = fopen("file", "w+");
	CHECK("fopen w+", file != NULL);
	GIVES("fprintf", fprintf(file, "%d %s %.3f %c\n", -42, "word", 2.5, 'x'), 17);
	GIVES("fputs", fputs("second line\nthird", file) >= 0, 1);
	GIVES("fflush", fflush(file), 0);
	GIVES("ftell", ftell(file), 34);
	rewind(file);
	int number;
	char word[16], letter;
	float value;
	GIVES("fscanf", fscanf(file, "%d %15s %f %c", &number, word, &value, &letter), 4);
	say("%d %s %.3f %c", number, word, value, letter);
	GIVES("getc", getc(file), '\n');
	CHECK("fgets", fgets(line, sizeof line, file) == line);
	say("fgets: %.11s|", line);
	GIVES("getline", getline(&text, &room, file), 5);
	say("getline: %s|", text);
	GIVES("getline at the end", getline(&text, &room, file), -1);
	CHECK("feof, not ferror", feof(file) && !ferror(file));
	GIVES("ungetc", ungetc('u', file), 'u');
	CHECK("ungetc clears feof", !feof(file));
	GIVES("getc", getc(file), 'u');
	GIVES("fseek", fseek(file, -5, SEEK_END), 0);
	GIVES("fread", fread(line, 1, 64, file), 5);
	FAILS("fseek to a negative place", fseek(file, -1, SEEK_SET), EINVAL);
	GIVES("fclose", fclose(file), 0);

	CHECK("fopen of nothing", !fopen("nothing", "r") && errno == ENOENT);
	CHECK("fopen with a wrong mode", !fopen("file", "q") && errno == EINVAL);
	CHECK("fopen wx over a file", !fopen("file", "wx") && errno == EEXIST);
	file = fopen("file", "r");
	CHECK("fputs to a reader", fputs("x", file) == EOF && ferror(file));
	fclose(file);
	file = fopen("file", "a");
	fputs(" appended", file);
	GIVES("ftell after appending", ftell(file), 43);
	fclose(file);
	file = fopen("file", "r+e");
	CHECK("e means O_CLOEXEC", fcntl(fileno(file), F_GETFD) & FD_CLOEXEC);
	fseek(file, 1, SEEK_SET);
	fputc('9', file);
	fflush(file);
	rewind(file);
	fgets(line, sizeof line, file);
	say("overwritten: %.3s", line);
	CHECK("freopen", (file = freopen("other", "w", file)) != NULL);
	fputs("other", file);
	fclose(file);

	file = fopen("big", "w+");
	GIVES("setvbuf", setvbuf(file, NULL, _IOFBF, 100), 0);
	for (int i = 0; i < 20000; i++) fprintf(file, "%05d\n", i);
	GIVES("ftello", ftello(file), 120000);
	fseeko(file, 6 * 12345, SEEK_SET);
	fgets(line, sizeof line, file);
	say("line 12345: %.5s", line);
	fclose(file);

	file = fopen("/dev/full", "w");
	fputs("x", file);
	FAILS("fclose of a full device", fclose(file), ENOSPC);
	file = fdopen(dup(0), "r");
	GIVES("fdopen and getc", getc(file), EOF);
	fclose(file);

	char memory[32] = "in memory", *grown;
	size_t length;
	file = fmemopen(memory, 9, "r");
	GIVES("fmemopen", fread(line, 1, 64, file), 9);
	fclose(file);
	file = open_memstream(&grown, &length);
	fprintf(file, "%s-%d", "grown", 7);
	fclose(file);
	say("open_memstream: %s, %lu bytes", grown, (unsigned long)length);
	free(grown);
	file = fopen("wide", "w+");
	GIVES("fwide", fwide(file, 1) > 0, 1);
	GIVES("fputws", fputws(L"wide", file) >= 0, 1);
	fclose(file);
	GIVES("dprintf", dprintf(1, "dprintf %s\n", "writes"), 15);
	GIVES("printf", printf("printf %s\n", "writes"), 14);
	GIVES("fflush of all", fflush(NULL), 0);
	free(text);
	return finish();
}
