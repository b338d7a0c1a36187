# Pipes, here-documents, command substitution, redirections.
echo "arguments: $# <$1> <$2>"
read first
echo "first line of input: $first"
seq 1 2000 | awk '{ s += $1 } END { print s }'
seq 1 500 | sort -rn | head -n 3 | tr '\n' ' '; echo
yes weft | head -n 10000 | uniq -c | sed 's/^ *//'
echo "nested: $(echo "one $(echo "two $(echo three)")")"
lines=$(seq 1 100 | grep -c 7)
echo "lines with a seven: $lines"
cat <<END | tr a-z A-Z
a here-document with $lines in it
and $((6 * 7)) by arithmetic
END
cat <<'END'
no $expansion here
END
for word in weft warp loom; do echo "$word ${#word} ${word%p} ${word#w}"; done > words.txt
while read -r word length rest; do echo "$length:$word"; done < words.txt | sort
{ echo out; echo err >&2; } 2>&1 | sort
(exit 5); echo "status $?"
seq 1 3 | while read -r n; do seq 1 "$n" | xargs echo; done
echo abc | tee copy.txt | rev
exec 3> third.txt; echo "through descriptor 3" >&3; exec 3>&-
cat third.txt copy.txt
false | true; echo "pipeline $?"
set -o pipefail; false | true; echo "pipefail $?"
grep nothing words.txt || echo "nothing found"
no-such-command 2>&1; echo "not found $?"
