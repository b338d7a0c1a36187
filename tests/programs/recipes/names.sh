# The program that asks libc's resolver.
own_sources=names
products="resolve"

make_products() {
    muslin-cc -O2 -Wall -Werror "$here/names/resolve.c" -o resolve
}
