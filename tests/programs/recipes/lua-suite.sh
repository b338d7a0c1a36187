# Lua with its own test suite. The Python package lupa carries Lua's tree as its authors keep it,
# tests included; the release archive leaves the tests out.
products="lua"
extras="testes"
subdir=third-party/lua54

make_products() {
    [ -f onelua.o ] || muslin-cc -std=c99 -O1 -DLUA_USE_POSIX -DMAKE_LUA -c onelua.c -o onelua.o
    muslin-cc onelua.o -o lua -lm
}
