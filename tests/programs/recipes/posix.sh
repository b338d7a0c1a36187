# The Open POSIX test suite: its conformance tests of threads, semaphores, signals, timers, clocks and
# scheduling, all in one image that runs the one it is told. A test keeps only its own main to itself.
products="posix posix.names"

make_products() {
    [ -d kept ] || compile
    muslin-cc -O2 kept/*.o -o posix
    cp kept/names posix.names
}

compile() {
    local absent
    rm -rf new
    mkdir new
    (cd conformance/interfaces && find . -name '*-*.c' \
        | grep -E '^\./(pthread_|sem_|sig|timer_|clock|sched_|nanosleep/|kill/|raise/)' \
        | sed 's|^\./||; s|\.c$||' | LC_ALL=C sort) >sources
    export -f compile_one symbol
    xargs -n 1 -P "$jobs" bash -c 'set -e; compile_one "$1"' - <sources
    # A test of a function that musl does not have cannot be linked.
    LC_ALL=C comm -23 \
        <(nm -u new/*.o | awk 'NF == 2 { print $2 }' | LC_ALL=C sort -u) \
        <(nm --defined-only "$MUSLIN_SYSROOT"/lib/libc.a 2>/dev/null | awk 'NF == 3 { print $3 }' | LC_ALL=C sort -u) \
        >absent
    while read -r absent; do
        [ "$absent" = _GLOBAL_OFFSET_TABLE_ ] && continue
        nm -A -u new/*.o | awk -v absent="$absent" '$3 == absent { sub(/:.*/, "", $1); print $1 }' | xargs -r rm
    done <absent
    while read -r name; do
        object=new/${name//\//@}.o
        # Some files are to be compiled, not run.
        [ -f "$object" ] && nm "$object" | grep -q " T $(symbol "$name")\$" && echo "$name"
    done <sources >new/names || true
    while read -r name; do
        echo "TEST(\"$name\", $(symbol "$name"))"
    done <new/names >tests.inc
    cat >runner.c <<'END'
#include <stdio.h>
#include <string.h>

#define TEST(name, symbol) int symbol(int, char **);
#include "tests.inc"
#undef TEST
#define TEST(name, symbol) {name, symbol},

static const struct {
	const char *name;
	int (*run)(int, char **);
} tests[] = {
#include "tests.inc"
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++)
		if (!strcmp(tests[i].name, argv[1])) return tests[i].run(argc - 1, argv + 1);
	fprintf(stderr, "no such test\n");
	return 99;
}
END
    muslin-cc -c -O2 runner.c -o new/runner.o
    mv new kept
}

symbol() {
    echo "test_${1//[^a-z0-9_]/_}"
}

compile_one() {
    local object=new/${1//\//@}.o
    muslin-cc -c -O2 -w -fno-common -std=gnu99 -D_POSIX_C_SOURCE=200112L -D_XOPEN_SOURCE=600 -Iinclude \
        "conformance/interfaces/$1.c" -o "$object"
    objcopy --redefine-sym "main=$(symbol "$1")" --keep-global-symbol="$(symbol "$1")" "$object"
}
