# Background jobs, traps, signals, waiting, subshells.
work() { n=0; while [ $n -lt "$1" ]; do n=$((n + 1)); done; echo "job $2 done" > "job-$2"; }
work 2000 a & work 3000 b & work 1000 c &
wait
cat job-a job-b job-c
(sleep 0.1; exit 9) &
wait $!; echo "background status $?"
trap 'echo "caught USR1"' USR1
sh -c "kill -USR1 $$"
echo "after the signal"
trap 'echo "leaving"' EXIT
# It is up when it has opened the fifo, and waits there until it is killed.
mkfifo gate
cat gate &
exec 3> gate
kill $!
wait $! 2>/dev/null; echo "killed: $?"
exec 3>&-
i=0
while [ $i -lt 40 ]; do i=$((i + 1)); (exit $i); done; echo "forty subshells, last $?"
export SHARED=value
sh -c 'echo "child sees $SHARED and $0 $1"' name argument
value=changed-inside; (value=lost); echo "$value"
timeout 1 sleep 0.05; echo "in time $?"
timeout 0.1 sleep 10; echo "too late $?"
f() { local x=$1; [ "$x" -le 1 ] && echo 1 && return; echo $((x * $(f $((x - 1))))); }
f 10
ulimit -n > /dev/null && umask 027 && touch masked && stat -c '%a' masked
env -u SHARED sh -c 'echo "unset: ${SHARED:-nothing}"'
nice -n 5 sh -c 'nice'
echo "leave through exec"
exec sh -c 'echo replaced; exit 6'
