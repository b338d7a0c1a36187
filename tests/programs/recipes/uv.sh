# libuv and its own test program, which runs the one test that it is told.
products="uv uv.names"

make_products() {
    [ -d kept ] || compile
    muslin-cc kept/test@*.o kept/libuv.a -o uv
    cp kept/names uv.names
}

compile() {
    local sources
    # What libuv's own build has for Linux.
    sources="fs-poll idna inet random strscpy strtok threadpool timer uv-common uv-data-getter-setters version
        unix/async unix/core unix/dl unix/fs unix/getaddrinfo unix/getnameinfo unix/loop-watcher unix/loop
        unix/pipe unix/poll unix/process unix/random-devurandom unix/signal unix/stream unix/tcp unix/thread
        unix/tty unix/udp unix/linux-core unix/linux-inotify unix/linux-syscalls unix/procfs-exepath
        unix/proctitle unix/random-getrandom unix/random-sysctl-linux unix/epoll"
    rm -rf new
    mkdir new
    # shellcheck disable=SC2086
    printf 'src/%s.c\n' $sources >files
    find test -name 'test-*.c' >>files
    printf 'test/%s.c\n' run-tests runner runner-unix blackhole-server echo-server >>files
    # shellcheck disable=SC2016
    xargs -n 1 -P "$jobs" bash -c 'set -e
        object=${1//\//@}
        muslin-cc -c -O1 -w -std=gnu89 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_LARGEFILE_SOURCE -Iinclude -Isrc \
            "$1" -o "new/${object%.c}.o"' - <files
    # The tests that this system has; not those with a helper beside them, which is a process of its own,
    # nor those of processes and of networks.
    muslin-cc -E -P -w -std=gnu89 -D_GNU_SOURCE -Iinclude -Isrc test/run-tests.c \
        | grep -oE '\{ "[a-z0-9_]+", "[a-z0-9_]+", ' | tr -d '{",' >entries
    awk '$1 != $2 { helped[$1] = 1 } { name[$1] = 1 } END { for (n in name) if (!helped[n]) print n }' entries \
        | grep -vE '^(tcp|udp|spawn|fork|ipc|tty|multiple_listen|getaddrinfo|getnameinfo|ip[46]_|ip_|process_|kill|connect)' \
        | LC_ALL=C sort >new/names
    # Some tests bring functions of the library with them.
    ar rcs new/libuv.a new/src@*.o
    mv new kept
}
