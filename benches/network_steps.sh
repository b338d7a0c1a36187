# Counts the instructions that a server executes for one request of HTTP after the other on one connection: the image
# of a guest of spt runs as a process under valgrind, with its library OS and its network stack, over a TAP.
# Linux's part is not in it. In a namespace of networks of its own:
#
#   unshare --net sh network_steps.sh PROGRAMS
#
# PROGRAMS is a directory as for network.sh. Prints lines "SERVER COUNT", or "skipped: REASON".
set -u
cd "$1/site" || exit 1
few=1000 many=3000
ip link set lo up && ip tuntap add tap1 mode tap && ip link set tap1 up && ip address add 10.79.1.1/24 dev tap1 ||
    { echo "skipped: no interfaces can be made here"; exit; }
command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit; }
tar -cf ../site.tar .

# All instructions of a server that has answered so many requests: count NAME PORT REQUESTS ARGUMENTS...
count() {
    name=$1 port=$2 requests=$3
    shift 3
    MUSLIN_MEM=64 MUSLIN_INITRD=../site.tar MUSLIN_NET_service=tap1 MUSLIN_IPV4=10.79.1.2/24 MUSLIN_IPV6=none \
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "../spt-$name" "$@" >steps.log 2>&1 &
    server=$!
    for try in $(seq 60); do
        timeout 5 ../linux-stream get 10.79.1.2 "$port" 1 2>/dev/null && break
        sleep 0.3
    done
    timeout 60 ../linux-stream get 10.79.1.2 "$port" "$requests"
    kill "$server"
    wait "$server" 2>/dev/null
    awk '/Collected/ { print $NF }' steps.log
}

# A server's instructions for a request, by what more requests take: steps NAME PORT ARGUMENTS...
steps() {
    name=$1 port=$2
    shift 2
    first=$(count "$name" "$port" $few "$@") second=$(count "$name" "$port" $many "$@")
    if [ -n "$first" ] && [ -n "$second" ]; then
        echo "$name $(((second - first) / (many - few)))"
    else
        echo "skipped: $name: $(tail -n 1 steps.log)"
    fi
}

steps stream 5001 serve 5001
steps nginx 8080 -p . -c nginx.conf
