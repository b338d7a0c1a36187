# The applets people use most.
mkdir -p tree/a/b tree/c
for i in 1 2 3 4 5; do seq 1 $((i * 50)) > tree/a/$i.txt; echo "weft $i" > tree/c/$i.log; done
cp -r tree/a tree/d; mv tree/c tree/e; ln -s ../a/1.txt tree/e/link; ln tree/a/1.txt tree/hard
touch -d '2024-01-02 03:04:05' tree/a/*.txt tree/a/b tree/a tree/e/*.log
find tree -type f | sort
find tree -name '*.log' -exec grep -l 'weft 3' {} \;
find tree -type l | xargs readlink
ls -1 tree/a; wc -l tree/a/*.txt; du -s tree/e > /dev/null && echo "du ran"
sed -n '10,12p;$p' tree/a/2.txt
sed -i -e 's/weft/warp/' -e '1i\top' tree/e/1.log; cat tree/e/1.log
awk -F' ' 'BEGIN { OFS = "-" } { c[$1]++; print $2, $1 } END { for (k in c) print k, c[k] }' tree/e/*.log | sort
printf 'b 2\na 3\nc 1\n' | sort -k2n | cut -d' ' -f1 | paste -s -d,
diff tree/a/1.txt tree/a/2.txt | tail -n 3
tar -cf tree.tar tree/a tree/e; tar -tf tree.tar | sort
mkdir out; tar -xf tree.tar -C out; diff -r tree/a out/tree/a && echo "tar: the same"
gzip -c tree.tar > tree.tar.gz; gunzip -c tree.tar.gz | cmp - tree.tar && echo "gzip: the same"
bzip2 -c tree.tar | bunzip2 -c | cmp - tree.tar && echo "bzip2: the same"
tar -czf - tree/a | tar -tzf - | wc -l
md5sum tree/a/5.txt; sha256sum < tree/a/5.txt; cksum tree/a/5.txt
dd if=/dev/zero of=zeros bs=4096 count=64 2>/dev/null; stat -c '%s %a %F' zeros
od -An -tx1 -N8 tree/a/1.txt; hexdump -C tree/e/2.log; printf 'text' | base64; echo 'dGV4dA==' | base64 -d; echo
expr 6 \* 7; printf '%05d|%s|%x\n' 42 word 255; basename /a/b.c .c; dirname /a/b.c
seq 1 10 | tac | tail -n 2; seq 1 4 | shuf -n 4 | sort; factor 360; echo '2^64' | bc
test -f zeros -a ! -d zeros && echo "test ok"; [ -L tree/e/link ] && echo "a link"
date -u -d @1700000000 '+%F %T'; cal 2 2024
uname -s; id -u > /dev/null && echo "id ran"; hostname > /dev/null && echo "hostname ran"
vi -c ':q' < /dev/null > /dev/null 2>&1; echo "ed:"; printf '1,2p\nq\n' | ed -s tree/a/1.txt 2>&1 | head -n 2
cpio -o -H newc < /dev/null 2>/dev/null | wc -c
rm -r tree out tree.tar tree.tar.gz; ls
