# Servers over Linux's own stack and over Muslin's, under the same load, in turn. In namespaces of networks of its
# own, so that nothing of this machine's networks is touched:
#
#   unshare --net sh network.sh MUSLIN PROGRAMS ROUNDS SECONDS
#
# PROGRAMS is a directory: stream, nginx and redis as STACK-NAME for the stacks "linux" (stock musl), "spt" (a
# guest) and "process" (--net); redis-benchmark; site/, which nginx serves. Load always comes from this namespace.
# Linux's server is at the other end of a pair of virtual interfaces in a namespace of its own, which is the
# shortest way between two stacks of Linux's; each of the others has a TAP, which is the shortest way from
# Linux's stack to theirs. So every byte crosses one cable, and the end of the load is the same.
#
# Prints lines "LOAD STACK VALUE SERVER BUSY SECONDS": what the load says, the processor time of the server, and of the whole
# machine, in ticks. "skipped LOAD: REASON" where one cannot be. Exit code 77: no interfaces can be made here.
set -u
muslin=$1 programs=$2 rounds=$3 seconds=$4
# All servers begin in the folder that nginx serves.
cd "$programs/site" || exit 1

ip link set lo up || exit 77
unshare --net sleep 600 &
peer=$!
trap 'kill $started $peer 2>/dev/null' EXIT
started=
sleep 0.3
ip link add veth0 type veth peer name veth1 netns "$peer" && ip link set veth0 up && ip address add 10.78.0.1/24 dev veth0 || exit 77
nsenter --target "$peer" --net sh -c 'ip link set veth1 up; ip address add 10.78.0.2/24 dev veth1; ip link set lo up' || exit 77

# start NAME OPTIONS... -- ARGUMENTS...: the program NAME over each stack.
taps=0
start() {
    name=$1
    shift
    options=
    while [ "$1" != -- ]; do
        options="$options $1"
        shift
    done
    shift
    nsenter --target "$peer" --net "../linux-$name" "$@" >"linux-$name.log" 2>&1 &
    eval "linux_$name=$! started=\"$started $!\""
    for stack in spt process; do
        taps=$((taps + 1))
        ip tuntap add "tap$taps" mode tap && ip link set "tap$taps" up && ip address add "10.79.$taps.1/24" dev "tap$taps" || exit 77
        eval "host_${stack}_$name=10.79.$taps.2"
        if [ $stack = spt ]; then
            # shellcheck disable=SC2086
            "$muslin" run --mem 128 --net "service=tap$taps" --env "MUSLIN_IPV4=10.79.$taps.2/24" --env MUSLIN_IPV6=none $options "../spt-$name" -- "$@" >"spt-$name.log" 2>&1 &
        else
            MUSLIN_NET="service=tap$taps" MUSLIN_IPV4="10.79.$taps.2/24" MUSLIN_IPV6=none "../process-$name" "$@" >"process-$name.log" 2>&1 &
        fi
        eval "${stack}_$name=$! started=\"$started $!\""
    done
    eval "host_linux_$name=10.78.0.2"
}

# The processor time of a process and of its children, in ticks.
ticks() {
    for pid in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        cut -d ' ' -f 14,15 "/proc/$pid/stat" 2>/dev/null
    done | awk '{ sum += $1 + $2 } END { print sum + 0 }'
}
busy() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }

# One round of one load over each stack: measure LOAD SERVER COMMAND..., in which HOST is the server's address.
measure() {
    load=$1 server=$2
    shift 2
    for stack in linux spt process; do
        eval "pid=\$${stack}_$server host=\$host_${stack}_$server"
        before_server=$(ticks "$pid") before=$(busy)
        value=$("$@" "$host") || value=
        after_server=$(ticks "$pid") after=$(busy)
        if [ -z "$value" ]; then
            echo "skipped $load over $stack: $(tail -n 1 "$stack-$server.log" 2>/dev/null)"
        else
            echo "$load $stack $value $((after_server - before_server)) $((after - before)) $seconds"
        fi
    done
}

stream() { timeout 20 ../linux-stream "$1" "$2" 5001 "$seconds"; }
http() { timeout 20 wrk -t1 -c30 "-d${seconds}s" "http://$1:8080/" | awk '/Requests\/sec/ { print $2 }'; }
redis() {
    timeout 20 ../redis-benchmark -h "$2" -P 16 -c 30 -n 300000 -t "$1" --csv 2>/dev/null |
        tail -n 1 | cut -d '"' -f 4
}

start stream -- serve 5001
start nginx --initrd . --cwd / -- -p . -c nginx.conf
start redis -- --bind 0.0.0.0 --save '' --protected-mode no --appendonly no
sleep 2
has_wrk=$(command -v wrk)
[ -n "$has_wrk" ] || echo "skipped nginx: there is no wrk (Debian package wrk)"
for round in $(seq "$rounds"); do
    measure to-server stream stream send
    measure from-server stream stream take
    measure round-trip stream stream echo
    [ -z "$has_wrk" ] || measure nginx nginx http
    measure redis-set redis redis set
    measure redis-get redis redis get
done
