# In a network of its own: a server and a client, each over Linux's sockets or over Muslin's. What they said is in
# server.said and client.said.
#
#   two_ends.sh MUSLIN PROGRAM SERVER CLIENT STOCK STACK GUEST
#
# SERVER and CLIENT are stock, stack, guest or process; STOCK, STACK and GUEST directories with PROGRAM, linked with
# stock musl, for Linux with Muslin's stack, and for spt. PROGRAM makes certificates, serves and asks. Exit code 77:
# this user may not make interfaces.
set -u
muslin=$1 program=$2 server=$3 client=$4 stock=$5 stack=$6 guest=$7
# Hundreds of connections at once.
ulimit -n 8192

ip link set lo up && ip link add br7 type bridge && ip address add 10.77.0.1/24 dev br7 && ip link set br7 up || exit 77
for number in 2 3; do
    ip tuntap add "tap$number" mode tap && ip link set "tap$number" master br7 && ip link set "tap$number" up || exit 77
done

mkdir certificates
"$stock/$program" certificates certificates 10.77.0.1 10.77.0.2 || exit 1
tar -cf certificates.tar --format=ustar -C certificates . || exit 1

# perform WORLD NUMBER DO ADDRESS: at 10.77.0.NUMBER, or for Linux's sockets at 10.77.0.1.
perform() {
    world=$1 net=service=tap$2 own=10.77.0.$2/24
    shift 2
    case $world in
        stock) exec timeout 150 "$stock/$program" "$@" certificates ;;
        stack) MUSLIN_NET=$net MUSLIN_IPV4=$own MUSLIN_IPV6=none exec timeout 150 "$stack/$program" "$@" certificates ;;
        guest)
            exec timeout 150 "$muslin" run --mem 512 --initrd certificates --net "$net" \
                --env "MUSLIN_IPV4=$own" --env MUSLIN_IPV6=none "$guest/$program" "$@" /
            ;;
        process)
            MUSLIN_MEM=512 MUSLIN_INITRD=certificates.tar MUSLIN_NET_service=${net#*=} MUSLIN_IPV4=$own MUSLIN_IPV6=none \
                exec timeout 150 "$guest/$program" "$@" /
            ;;
    esac
}

address=10.77.0.2
[ "$server" != stock ] || address=10.77.0.1
: >server.said
perform "$server" 2 serve $address >server.said 2>&1 &
serving=$!
tries=0
until grep -q '^serving$' server.said; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ] || ! kill -0 $serving 2>/dev/null; then
        echo "the server does not serve:"
        cat server.said
        exit 1
    fi
    sleep 0.1
done
(perform "$client" 3 ask $address) >client.said 2>&1 || { echo "the client ended with $?:"; cat client.said; kill $serving; exit 1; }
wait $serving || { echo "the server ended with $?:"; cat server.said; exit 1; }
