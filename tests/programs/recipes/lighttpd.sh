# lighttpd with its modules inside, as its authors describe that; without libraries that are not its own.
products="src/lighttpd"
modules="mod_access mod_accesslog mod_alias mod_dirlisting mod_indexfile mod_setenv mod_staticfile mod_status"

make_products() {
    [ -f configured ] || configure
    make -j"$jobs" -s -C src lighttpd
}

configure() {
    local header
    # Its lists are those of BSD, which come with the host's libc, not with musl.
    mkdir -p compat/sys
    header=$(printf '#include <sys/queue.h>\n' | gcc -E - | sed -n 's/^# 1 "\(.*queue\.h\)".*/\1/p')
    cp "$header" compat/sys/
    : >compat/sys/cdefs.h
    # shellcheck disable=SC2086
    printf 'PLUGIN_INIT(%s)\n' $modules >src/plugin-static.h
    LIGHTTPD_STATIC=yes ./configure --host=x86_64-linux-musl CC=muslin-cc CFLAGS=-O2 CPPFLAGS="-I$PWD/compat" \
        --enable-static=yes --disable-shared --disable-dependency-tracking --without-pcre2 --without-pcre \
        --without-zlib --without-bzip2 --without-brotli --without-zstd
    make -s -C src parsers versionstamp
    touch configured
}
