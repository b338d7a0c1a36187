# Lua: the interpreter and the compiler, by Lua's own makefile; and a host of its library that has alarms.
own_sources=waiting
products="src/lua src/luac alarms"
extras="src/lua.o src/liblua.a"

make_products() {
    make -j"$jobs" -C src CC=muslin-cc MYCFLAGS=-DLUA_USE_POSIX lua luac
    muslin-cc -O2 -Isrc "$here/waiting/alarms.c" src/liblua.a -o alarms
}
