#!/usr/bin/env bash
# Builds real programs from their own sources, through muslin-cc.
#
#   tests/programs/build.sh SYSROOT PROGRAM...
#
# SYSROOT is out/linux (through the table), a stock one, or one for guests. For each PROGRAM the directory with its
# executables is printed on stdout; what the build says goes to a log. Exit code 77, with the reason
# as the last line on stderr: this machine lacks what the program needs.
#
# MUSLIN_DEVICES and MUSLIN_NETWORK name the devices of guests, and the network stack, as for `muslin cc`.
#
# All sysroots have the same headers, so a program is compiled once and linked once for each: a
# change in libc.a costs a link, not a build. Results are kept in the cache by content.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
cache=${MUSLIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muslin}/programs
driver_dir=${MUSLIN_DRIVER_DIR:-$root/out/linux/bin}
jobs=${MUSLIN_JOBS:-$(nproc)}
results_kept=8
trees_kept=2

fail() {
    echo "programs: $*" >&2
    exit 1
}

# This machine lacks something that the program's sources or its build need: exit code 77.
lacks() {
    echo "$*" >&2
    exit 77
}

if [ $# -lt 2 ]; then
    echo "usage: tests/programs/build.sh SYSROOT PROGRAM..." >&2
    exit 2
fi
sysroot=$(cd "$1" 2>/dev/null && pwd -P) || fail "no sysroot at $1: make PLATFORM=linux makes one"
shift
[ -x "$driver_dir/muslin-cc" ] || fail "no muslin-cc in $driver_dir: make PLATFORM=linux makes it"
export MUSLIN_SYSROOT=$sysroot
export CARGO_BUILD_JOBS=$jobs
export PATH=$driver_dir:$PATH
unset CC CFLAGS CPPFLAGS LDFLAGS LIBS MAKEFLAGS MFLAGS MAKELEVEL

# A hash over the content of all files below DIR that `find` lists with the further arguments.
hash_of_tree() {
    local dir=$1
    shift
    (cd "$dir" && find . -type f "$@" -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum | cut -c 1-16
}

# What compiling depends on. muslin.h is not in all sysroots; no program includes it.
headers_key=$(hash_of_tree "$sysroot/include" ! -name muslin.h)
compiler_key=$(muslin-cc --version | head -n 1; muslin-cc '-###' -S -x c /dev/null -o /dev/null 2>&1 | grep cc1 | sed "s|$sysroot|SYSROOT|g")
# What linking depends on besides.
libraries_key=$(hash_of_tree "$sysroot/lib")-$(sha256sum <"$driver_dir/muslin-cc" | cut -c 1-16)

# Prints the upstream archive of $program after checking it.
fetch() {
    local suite sum archive
    read -r _ _ _ _ suite sum < <(grep "^$program " "$here/sources.txt")
    mkdir -p "$cache/archives"
    exec 8>"$cache/archives/lock"
    flock 8
    case $registry in
        debian)
            command -v apt-get >/dev/null || lacks "$program needs apt-get to fetch its source from Debian"
            archive=$("$root/tools/fetch-deb-source.sh" "$package" "$suite" "$cache/archives")
            ;;
        pypi)
            archive=$cache/archives/$package-$version.tar.gz
            if [ ! -f "$archive" ]; then
                python3 -m pip --version >/dev/null 2>&1 \
                    || lacks "$program needs pip to fetch its source"
                python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
                    --dest "$cache/archives" "$package==$version" >&2 \
                    || fail "$program: pip could not download $package $version"
            fi
            ;;
        *) fail "$program: unknown registry '$registry' in sources.txt" ;;
    esac
    echo "$sum  $archive" | sha256sum --check --status \
        || fail "$program: $archive has the wrong checksum; wanted $sum ($package $version)"
    echo "$archive"
}

# `muslin cargo` for the driver's own sysroot. For others the same cargo with the same driver by the same
# path, so that cargo compiles nothing again; only what MUSLIN_SYSROOT names differs in the last link.
cargo_for_sysroot() {
    if [ "$sysroot" -ef "$driver_dir/.." ]; then
        CARGO_INCREMENTAL=0 "$(dirname "$(readlink -f "$driver_dir/muslin-cc")")/muslin" cargo "$@"
    else
        CARGO_BUILD_TARGET=x86_64-unknown-linux-musl \
            CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=$driver_dir/muslin-cc \
            CC_x86_64_unknown_linux_musl=$driver_dir/muslin-cc CXX_x86_64_unknown_linux_musl=$driver_dir/muslin-cc \
            AR_x86_64_unknown_linux_musl=ar CARGO_INCREMENTAL=0 \
            cargo "$@"
    fi
}

# Links what kept-cc kept: each directory in kept/ becomes a product of its name.
link_kept() {
    local dir words
    for dir in kept/*/; do
        mapfile -t words <"$dir/words"
        (cd "$dir" && muslin-cc "${words[@]}" -o "../../$(basename "$dir")")
    done
}

build() (
    program=$1
    recipe=$here/recipes/$program.sh
    [ -f "$recipe" ] || fail "no recipe for '$program' in tests/programs/recipes"
    needs='' extras='' intermediates='' subdir=. own_sources='' shared='' products=
    read -r _ registry package version _ < <(grep "^$program " "$here/sources.txt")
    # shellcheck disable=SC1090
    . "$recipe"
    for tool in $needs; do
        command -v "$tool" >/dev/null || lacks "$program needs $tool to be built"
    done

    source_key=$(cat "$recipe" ${shared:+"$here/$shared"} <(grep "^$program " "$here/sources.txt"))
    link_key=$libraries_key${MUSLIN_DEVICES:+-$MUSLIN_DEVICES}${MUSLIN_NETWORK:+-$MUSLIN_NETWORK}
    if [ "$registry" = crates ]; then
        source_key="$source_key $(cd "$here" && rustc --version)"
    fi
    if [ -n "$own_sources" ]; then # Cargo knows what to compile again when they change
        source_key="$source_key $(cat "$here/$own_sources/Cargo.lock" 2>/dev/null || true)"
        link_key="$link_key $(hash_of_tree "$here/$own_sources")"
    fi
    key=$(echo "$source_key $headers_key $compiler_key" | sha256sum | cut -c 1-16)
    home=$cache/$program-$key
    result=$home/linked-$(echo "$link_key" | sha256sum | cut -c 1-16)
    mkdir -p "$home"
    exec 9>"$home/lock"
    flock 9
    if [ -d "$result" ]; then
        touch "$result"
        echo "$result"
        return
    fi

    if [ ! -f "$home/unpacked" ]; then
        rm -rf "$home/tree"
        mkdir "$home/tree"
        if [ "$registry" != crates ] && [ "$registry" != own ]; then
            archive=$(fetch)
            tar -xf "$archive" -C "$home/tree" --strip-components=1
        fi
        touch "$home/unpacked"
    fi
    cd "$home/tree/$subdir"
    # shellcheck disable=SC2086
    rm -f $products $intermediates
    begin=$SECONDS
    echo "programs: building $program (log: $home/build.log)" >&2
    set +e
    (set -e; make_products) >"$home/build.log" 2>&1 </dev/null
    status=$?
    set -e
    if [ $status -ne 0 ]; then
        rm -f "$home/unpacked" # the next try starts afresh
        tail -n 20 "$home/build.log" >&2
        fail "$program does not build with MUSLIN_SYSROOT=$sysroot; the whole log: $home/build.log"
    fi
    rm -rf "$result.new"
    mkdir "$result.new"
    # shellcheck disable=SC2086
    cp -r $products $extras "$result.new/"
    mv "$result.new" "$result"
    echo "programs: built $program in $((SECONDS - begin)) s" >&2
    # Old links and old trees of the same program go, the newest stay.
    older_than_newest "$results_kept" "$home" 'linked-*' | xargs -r rm -rf
    older_than_newest "$trees_kept" "$cache" "$program-$(printf '[0-9a-f]%.0s' {1..16})" | xargs -r rm -rf
    echo "$result"
)

# Prints all directories below DIR that match PATTERN but the newest COUNT.
older_than_newest() {
    find "$2" -mindepth 1 -maxdepth 1 -type d -name "$3" -printf '%T@ %p\n' | sort -rn \
        | tail -n +$(($1 + 1)) | cut -d ' ' -f 2-
}

for program in "$@"; do
    build "$program"
done
