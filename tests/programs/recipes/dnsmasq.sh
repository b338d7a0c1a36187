# dnsmasq: a name server, and one that gives out addresses. It is a peer of guests, not a guest.
products="src/dnsmasq"

make_products() {
    make -j"$jobs" CC=muslin-cc CFLAGS=-O1
}
