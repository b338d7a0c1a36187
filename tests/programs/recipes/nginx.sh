# nginx without tables for exceptions of C++, with what it has for files and uploads; no regular expressions and no compression, which are libraries of their own.
products="objs/nginx"

make_products() {
    [ -f objs/Makefile ] || ./configure --with-cc=muslin-cc --with-cc-opt='-O2 -fno-asynchronous-unwind-tables' --with-cpu-opt=generic --prefix=/srv \
        --with-http_dav_module --without-http_rewrite_module --without-http_gzip_module --without-pcre
    make -j"$jobs"
}
