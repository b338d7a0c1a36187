# SQLite's shell as its authors say to build it: shell.c and the amalgamation, which a Tcl script
# makes from the source tree; and their own benchmark.
needs="tclsh"
products="sqlite3 speedtest1"
features="-DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_THREADSAFE=1"

make_products() {
    if [ ! -f amalgamation/shell.o ]; then
        mkdir -p amalgamation
        (
            cd amalgamation
            ../configure --disable-tcl --disable-readline --disable-shared
            make sqlite3.c shell.c
            # shellcheck disable=SC2086
            muslin-cc -O1 $features -c sqlite3.c -o sqlite3.o
            # shellcheck disable=SC2086
            muslin-cc -O1 $features -c shell.c -o shell.o
            # shellcheck disable=SC2086
            muslin-cc -O1 -I. $features -c ../test/speedtest1.c -o speedtest1.o
        )
    fi
    muslin-cc amalgamation/shell.o amalgamation/sqlite3.o -o sqlite3 -lpthread -ldl -lm
    muslin-cc amalgamation/speedtest1.o amalgamation/sqlite3.o -o speedtest1 -lpthread -ldl -lm
}
