/* The environment, the arguments and the auxiliary vector. */
#include "expect.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;

int main(int argc, char **argv)
{
	GIVES("argc", argc, 1);
	CHECK("argv[0]", argv[0] && argv[0][0] && argv[1] == NULL);
	CHECK("program_invocation_name", !strcmp(program_invocation_name, argv[0]));
	CHECK("program_invocation_short_name", !strcmp(program_invocation_short_name, strrchr(argv[0], '/') + 1));

	say("LANG=%s", getenv("LANG"));
	CHECK("what is not there", getenv("NOT_THERE") == NULL);
	GIVES("setenv", setenv("NEW", "one", 0), 0);
	GIVES("setenv without overwriting", setenv("NEW", "two", 0), 0);
	say("NEW=%s", getenv("NEW"));
	GIVES("setenv that overwrites", setenv("NEW", "three", 1), 0);
	say("NEW=%s", getenv("NEW"));
	FAILS("setenv of an empty name", setenv("", "x", 1), EINVAL);
	FAILS("setenv of a name with =", setenv("A=B", "x", 1), EINVAL);
	GIVES("putenv", putenv("PUT=value"), 0);
	say("PUT=%s", getenv("PUT"));
	GIVES("unsetenv", unsetenv("NEW"), 0);
	CHECK("it is gone", getenv("NEW") == NULL);
	GIVES("unsetenv of what is not there", unsetenv("NEW"), 0);
	for (int i = 0; i < 200; i++) {
		char name[16];
		snprintf(name, sizeof name, "MANY_%d", i);
		setenv(name, name, 1);
	}
	say("MANY_150=%s", getenv("MANY_150"));
	GIVES("clearenv", clearenv(), 0);
	CHECK("nothing is left", getenv("LANG") == NULL && (!environ || !environ[0]));

	GIVES("AT_PAGESZ", getauxval(AT_PAGESZ), 4096);
	GIVES("AT_CLKTCK", getauxval(AT_CLKTCK), 100);
	GIVES("AT_SECURE", getauxval(AT_SECURE), 0);
	CHECK("AT_UID and its three friends", getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid()
		&& getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
	CHECK("AT_RANDOM", getauxval(AT_RANDOM) != 0);
	CHECK("AT_PHDR, AT_PHENT, AT_PHNUM", getauxval(AT_PHDR) && getauxval(AT_PHENT) == sizeof(Elf64_Phdr) && getauxval(AT_PHNUM) > 2);
	CHECK("AT_ENTRY", getauxval(AT_ENTRY) != 0);
	CHECK("AT_EXECFN", !strcmp((char *)getauxval(AT_EXECFN), argv[0]));
	CHECK("what is not there: ENOENT", getauxval(0x7777) == 0 && errno == ENOENT);
	return finish();
}
