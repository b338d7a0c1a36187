# zlib: the static library with the four programs of its own `make test`.
products="example minigzip example64 minigzip64"

make_products() {
    [ -f configure.log ] || CC=muslin-cc ./configure --static
    # shellcheck disable=SC2086
    make -j"$jobs" $products
}
