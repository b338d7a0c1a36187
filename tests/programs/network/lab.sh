# In the lab: a test in a network of its own. Its report goes to the output.
#
#   lab.sh TAKEN REPORT TEST
#
# TAKEN and REPORT name variables: for the directory with all programs, and for the report. Exit code 77: no
# interfaces can be made.
set -u
taken=$1 report=$2 test=$3
work=$PWD
export PATH="$work/applets:$PATH" "$taken=$work" "$report=$work/report"

if [ ! -d applets ]; then
    stock/busybox/busybox mkdir applets
    stock/busybox/busybox --install -s applets
    # Files that tests put theirs in the place of.
    [ -d /etc ] || mkdir /etc
    [ -e /etc/hosts ] || : >/etc/hosts
    [ -e /etc/resolv.conf ] || : >/etc/resolv.conf
    [ -e /etc/passwd ] || printf 'root:x:0:0::/:\nnobody:x:65534:65534::/:\n' >/etc/passwd
    [ -e /etc/group ] || printf 'root:x:0:\nnogroup:x:65534:\n' >/etc/group
fi
rm -f report

linker=''
for library in libraries/ld-*; do
    [ ! -e "$library" ] || linker="$library --library-path libraries"
done

# shellcheck disable=SC2016
unshare -n -m -p -f --mount-proc sh -c '
    ip link set lo up && tunctl -b -t tap7 && ip link set tap7 address 02:00:00:00:00:77 \
        && echo 0 >/proc/sys/net/ipv6/conf/tap7/accept_dad && ip link set tap7 up \
        && ip address add 10.77.0.1/24 dev tap7 && ip -6 address add fd77::1/64 dev tap7 || exit 77
    exec "$@"' sh $linker ./tests "$test" --exact --include-ignored --nocapture --test-threads=1 >/dev/null || exit
cat report
