# iperf3, without what needs OpenSSL.
products="src/iperf3"

make_products() {
    [ -f configured ] || {
        ./configure --host=x86_64-linux-musl CC=muslin-cc CFLAGS=-O2 --disable-shared --without-openssl \
            --without-sctp --disable-dependency-tracking
        touch configured
    }
    make -j"$jobs" -s -C src iperf3
}
