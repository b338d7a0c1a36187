# Every command in here is BusyBox again, started by fork and exec.
seq 1 1000 | awk '{ s += $1 } END { print "the sum of 1 to 1000 is", s }'
words=$(printf 'weft warp loom weft seam warp weft\n' | tr ' ' '\n' | sort | uniq -c | sort -rn | head -n 1)
echo "most frequent word: $words"
for job in 1 2 3; do (sleep 0.$job; echo "background job $job is done") & done
wait
cat <<END | tr a-z A-Z
a here-document, through a pipe
END
