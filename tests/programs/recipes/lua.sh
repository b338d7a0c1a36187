# Lua: the interpreter and the compiler, by Lua's own makefile.
products="src/lua src/luac"
extras="src/lua.o src/liblua.a"

make_products() {
    make -j"$jobs" -C src CC=muslin-cc MYCFLAGS=-DLUA_USE_POSIX lua luac
}
