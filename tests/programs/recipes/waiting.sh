# The C programs of tests/programs/waiting that need nothing but libc.
own_sources=waiting
products="thousand stress"

make_products() {
    for program in $products; do
        muslin-cc -O2 -g "$here/waiting/$program.c" -o "$program"
    done
}
