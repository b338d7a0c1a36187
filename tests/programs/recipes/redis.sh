# Redis: server, client and benchmark, with libc's own malloc.
products="src/redis-server src/redis-cli src/redis-benchmark"

make_products() {
    make -j"$jobs" -C src CC=muslin-cc MALLOC=libc redis-server redis-cli redis-benchmark
}
