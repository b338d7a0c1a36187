# In a network of its own: a server over a TAP, asked by Linux from the other end, as a guest and as a process
# with the stack; the guest once more by a published port; then the same server as a process over the loopback.
# Says what each replied in files, and what they came to in a second.
#
#   over_a_tap.sh MUSLIN GUEST LINUX STOCK COMMANDS
#
# GUEST, LINUX and STOCK are directories with Redis. Exit code 77: this user may not make interfaces.
set -u
muslin=$1 guest=$2 linux=$3 stock=$4 commands=$5
address=10.77.0.2

ip tuntap add tap7 mode tap && ip link set tap7 up && ip address add 10.77.0.1/24 dev tap7 && ip link set lo up || exit 77

# ask HOST NAME [PORT]: the replies, the benchmark, and the end.
ask() {
    tries=0
    set -- "$1" "$2" "${3:-6379}"
    until [ "$(timeout 1 "$stock/redis-cli" -h "$1" -p "$3" ping 2>/dev/null)" = PONG ]; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 "$server"; then
            echo "$2: nobody answers"
            cat "$2.log"
            exit 1
        fi
        sleep 0.1
    done
    timeout 30 "$stock/redis-cli" -h "$1" -p "$3" <"$commands" >"$2.replies" 2>&1
    timeout 60 "$stock/redis-benchmark" -h "$1" -p "$3" -P 16 -c 30 -n 20000 --csv -t ping,set,get,incr,lpush,mset >"$2.rates" 2>&1 \
        || { echo "$2: redis-benchmark: $?"; cat "$2.rates" "$2.log"; exit 1; }
    timeout 10 "$stock/redis-cli" -h "$1" -p "$3" dbsize >>"$2.replies" 2>&1
    timeout 10 "$stock/redis-cli" -h "$1" -p "$3" shutdown nosave >>"$2.replies" 2>&1
    wait "$server" || { echo "$2: the server ended with $?"; cat "$2.log"; exit 1; }
    sed "s/^/$2: /" "$2.rates" | cut -d , -f 1,2
}

timeout 120 "$muslin" run --mem 128 --net service=tap7 --env "MUSLIN_IPV4=$address/24" --env MUSLIN_IPV6=none \
    "$guest/redis-server" --bind "$address" --save '' --protected-mode no >guest.log 2>&1 &
server=$!
ask "$address" guest

MUSLIN_IPV4=$address/24 MUSLIN_IPV6=none timeout 120 "$muslin" run --net service=tap7 \
    "$linux/redis-server" --bind "$address" --save '' --protected-mode no >linux.log 2>&1 &
server=$!
ask "$address" linux

timeout 120 "$muslin" run --mem 128 --net service=user --publish 6400:6379 \
    "$guest/redis-server" --save '' --protected-mode no >published.log 2>&1 &
server=$!
ask 127.0.0.1 published 6400

timeout 120 "$stock/redis-server" --bind 127.0.0.1 --save '' --protected-mode no >stock.log 2>&1 &
server=$!
ask 127.0.0.1 stock
