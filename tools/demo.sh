#!/usr/bin/env bash
# What `make demo` shows after set-up: real programs, built from their own sources through Muslin, at
# work, and where their calls went. Every line that begins with `$` is a command that is run.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(pwd -P)
work=$root/out/demo
rm -rf "$work"
mkdir -p "$work"
cp tools/demo/* "$work"
export PATH=$root/out/bin:$root/out/linux/bin:$PATH
unset MUSLIN_SYSROOT MUSLIN_COUNT MUSLIN_CATCH_STRAY RUST_BACKTRACE
begin=$SECONDS
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
    fi
}
trap finish EXIT

chapter() {
    printf '\n== %s\n\n' "$1"
}

tell() {
    printf '%s\n' "$*" | fold -s -w 96 | sed 's/ *$//'
}

# Shows a command and runs it in the demo's directory.
show() {
    printf '$ %s\n' "$1"
    (cd "$work" && eval "$1") || {
        echo "demo: that command failed" >&2
        exit 1
    }
}

# Shows and runs a program with its calls counted; the table's longest rows and its total are shown.
show_counted() {
    local rows=$1 status=0
    printf '$ muslin run --count %s\n' "$2"
    (cd "$work" && eval "muslin run --count $2" 2>"$work/stderr") || status=$?
    shorten "$rows" "$work/stderr"
    if [ $status -ne 0 ]; then
        echo "demo: that command failed" >&2
        exit 1
    fi
}

# A port of this machine that nobody listens at.
free_port() {
    local port=$((20000 + RANDOM % 10000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((port + 1))
    done
    echo "$port"
}

# The table of counts with its first rows and its total.
shorten() {
    awk -v rows="$1" '
        /^-------/ { in_table = !in_table; print; next }
        in_table { seen++; if (seen <= rows) print; next }
        / total$/ { if (seen > rows) printf "%32s ... and %d more kinds of calls\n", "", seen - rows }
        { print }' "$2" | awk '/ more kinds of calls$/ { held = $0; next } { lines[++n] = $0 }
        END { for (i = 1; i <= n; i++) { if (held != "" && i == n - 1) print held; print lines[i] } }'
}

# Builds programs by their recipes in tests/programs and links the directory of each as
# out/demo/NAME; those of a sysroot for guests as out/demo/guests/NAME.
build() {
    build_with out/linux "$work" "$@"
}
build_guests() {
    mkdir -p "$work/guests"
    build_with out/solo5-spt "$work/guests" "$@"
}
build_with() {
    local sysroot=$1 place=$2 program dir
    shift 2
    for program in "$@"; do
        dir=$(tests/programs/build.sh "$sysroot" "$program")
        ln -sfn "$dir" "$place/$program"
    done
}

size() {
    stat -L -c %s "$1"
}

chapter "1. A libc whose every system call goes through a table"
tell "musl was patched, compiled and put into a sysroot, with the runtime, \
written in Rust, as one more member of libc.a. Nothing else is needed to link with it."
show "ls -C ../linux/lib"
tell "Patches: $(grep -vc '^ *\(#\|$\)' musl-patches/series). libc.a: $(size out/linux/lib/libc.a) bytes, stock musl's $(size out/stock/lib/libc.a)."

chapter "2. Hello from C"
show "cat hello.c"
show "muslin-cc -O2 hello.c -o hello"
show_counted 20 "./hello"
tell "Every call entered the table. Those that no handler answers were passed on to Linux; the time came from the vDSO, without a call."
show "muslin check hello"

chapter "3. Lua, built from its own sources with CC=muslin-cc"
build lua
show_counted 6 "lua/lua primes.lua"

chapter "4. A session with SQLite"
build sqlite
show_counted 6 "sqlite/sqlite3 library.db < library.sql"

chapter "5. BusyBox: pipes, background jobs, fork and exec"
build busybox
mkdir -p "$work/bin"
for applet in $("$work/busybox/busybox" --list); do
    ln -sf ../busybox/busybox "$work/bin/$applet"
done
show_counted 6 "busybox/busybox env PATH=bin ash pipes.sh"
tell "The counters are shared by all processes that the script started."

chapter "6. Redis under its own benchmark"
build redis
port=$(free_port)
echo "\$ muslin run --count redis/redis-server --port $port --bind 127.0.0.1 --save '' &"
(cd "$work" && exec muslin run --count redis/redis-server --port "$port" --bind 127.0.0.1 --save '' \
    >redis.log 2>redis.counts) &
server=$!
for _ in $(seq 100); do
    [ "$("$work/redis/redis-cli" -p "$port" ping 2>/dev/null)" = PONG ] && break
    sleep 0.1
done
show "redis/redis-benchmark -p $port -q -n 10000 -c 20 -t set,get,incr,lpush | tr '\\r' '\\n' | grep 'per second'"
show "redis/redis-cli -p $port incrby visits 42"
show "redis/redis-cli -p $port shutdown nosave"
wait "$server"
server=
shorten 8 "$work/redis.counts"

chapter "7. Rust's standard library: threads, channels, sockets, a child process"
tell "An unmodified crate for the stock target x86_64-unknown-linux-musl, on stable Rust."
show "muslin cargo build --quiet --locked --manifest-path ../../tests/programs/rust/Cargo.toml --package threads --target-dir target"
mkdir -p "$work/files"
show_counted 6 "target/x86_64-unknown-linux-musl/debug/threads files"

chapter "8. ripgrep from the registry, searching this repository"
build ripgrep
show_counted 6 "ripgrep/rg --stats --sort=path --count-matches __muslin_passthrough ../../shim ../../syscalls ../../platforms ../../musl-patches"
tell "Does any of these programs still hold a system-call instruction that is not the runtime's?"
show "muslin check lua/lua sqlite/sqlite3 busybox/busybox redis/redis-server ripgrep/rg | grep -E 'image|stray'"

chapter "9. The same numbers, counted from outside"
show "strace -f -c -o strace.txt lua/lua primes.lua"
show "muslin run --count lua/lua primes.lua 2> counts.txt"
# Counting itself opens, reads, extends, maps and closes a file: those calls are in the counted run alone.
awk 'BEGIN { printf "%-18s %10s %10s\n", "call", "strace", "the table" }
    NR == FNR { if ($4 ~ /^[0-9]+$/ && $NF != "total" && $NF != "execve") seen[$NF] = $4; next }
    $2 ~ /^[0-9]+$/ && $4 != "total" && $2 > 0 && $4 != "exit_group" {
        own = ($4 == "open" || $4 == "close" || $4 == "mmap" || $4 == "pread64" || $4 == "fallocate")
        passed[$4] = $2 - own
    }
    END { for (call in seen) if (!(call in passed)) passed[call] = 0
        for (call in passed) { printf "%-18s %10d %10d\n", call, seen[call], passed[call] | "sort"
            if (seen[call] != passed[call]) differ++ }
        close("sort")
        if (differ) { printf "demo: %d calls were counted differently\n", differ; exit 1 }
        print "equal, but for execve (before there is a table) and exit_group (strace does not count it)" }' \
    "$work/strace.txt" "$work/counts.txt"

chapter "10. Handlers of your own"
tell "The same objects of Lua, not one of them changed, linked with twenty lines of C:"
show "sed -n '/^static long tell_path/,\$p' watch.c"
show "muslin-cc watch.c lua/lua.o lua/liblua.a -lm -o lua-watched"
show "./lua-watched primes.lua"
show "./lua-watched -e 'print(os.date(\"!%c\"))'"
tell "The crate muslin does the same for Rust: examples/ has handlers in both languages."

chapter "11. No Linux below: the same programs as guests of Solo5"
tell "Linked with another sysroot, a program brings its own operating system: memory, files, time and \
randomness in Rust. It runs in a process that may make nine system calls (spt), in 2 MiB here:"
show "muslin cc --platform solo5-spt -O2 hello.c -o hello.spt"
show "muslin run --mem 2 hello.spt"
show "muslin check hello.spt | head -n 3"
tell "The same file is an ordinary process as well, for gdb, perf and valgrind:"
show "./hello.spt"
tell "The objects of Lua and SQLite from above, linked again; a directory becomes the guest's root:"
build_guests lua sqlite
mkdir -p "$work/root"
cp "$work/primes.lua" "$work/library.sql" "$work/root"
show "muslin run --mem 4 --initrd root guests/lua/lua -- primes.lua"
show "muslin run --mem 8 --initrd root --env HOME=/ guests/sqlite/sqlite3 -- library.db '.read library.sql'"
tell "One word of a note makes it a virtual machine of KVM (hvt), with page tables of its own:"
show "muslin retarget hello.spt --platform solo5-hvt -o hello.hvt"
if (cd "$work" && muslin run hello.hvt) >"$work/hvt.txt" 2>&1; then
    echo '$ muslin run hello.hvt'
    cat "$work/hvt.txt"
else
    tell "This machine cannot run it: $(head -n 1 "$work/hvt.txt")"
    tell "\`make test\` runs guests of hvt in QEMU then, under a real KVM."
fi

chapter "12. A network for anybody"
tell "A guest that calls socket brings its own network stack. With --net service=user it reaches what you \
reach, by your own sockets and without any privilege; a port of this machine stands for one of the guest:"
show "sed -n '/^int main/,\$p' server.c"
show "muslin cc --platform solo5-spt --device service=net -O2 server.c -o server.spt"
port=$(free_port)
printf '$ muslin run --mem 8 --net service=user --publish %s:80 --stats --pcap frames.pcap server.spt &\n' "$port"
(cd "$work" && exec muslin run --mem 8 --net service=user --publish "$port:80" --stats --pcap frames.pcap \
    server.spt >server.txt 2>&1) &
server=$!
if command -v curl >/dev/null; then
    show "curl -s --retry 9 --retry-all-errors http://127.0.0.1:$port/ http://127.0.0.1:$port/"
else
    show "bash -c 'exec 3<>/dev/tcp/127.0.0.1/$port; echo GET / >&3; tail -n +3 <&3'"
fi
printf '$ kill %%1\n'
kill "$server"
wait "$server" || true
server=
cat "$work/server.txt"
tell "The same source with \`muslin cc --net\` is a process of Linux whose files are the kernel's and whose \
sockets are Rust; it runs with the same words."

printf '\nAll of this took %d s. The programs are in out/demo; `make help` lists what else there is.\n' $((SECONDS - begin))
