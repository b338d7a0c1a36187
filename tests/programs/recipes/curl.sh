# curl without TLS, compression and other libraries.
products="src/curl"

make_products() {
    [ -f configured ] || configure
    make -j"$jobs" -s
}

configure() {
    local option options=(--disable-shared --disable-ldap --disable-manual --disable-dependency-tracking)
    for option in ssl zlib brotli zstd libpsl libidn2 nghttp2 librtmp libssh2; do
        options+=("--without-$option")
    done
    ./configure --host=x86_64-linux-musl CC=muslin-cc CFLAGS=-O1 "${options[@]}"
    touch configured
}
