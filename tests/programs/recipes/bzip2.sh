# bzip2, with the samples of its own `make test`.
products="bzip2 bzip2recover"
extras="sample1.ref sample2.ref sample3.ref sample1.bz2 sample2.bz2 sample3.bz2"

make_products() {
    make -j"$jobs" CC=muslin-cc bzip2 bzip2recover
}
