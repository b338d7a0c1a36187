#!/usr/bin/env bash
# Puts the verified upstream tarball of musl into the cache.
#
#   tools/fetch-musl.sh [VERSION]        1.2.5 (default) or 1.2.6
#
# Looked for in this order: the cache, upstream's release page, Debian's source archive.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=${1:-1.2.5}
cache=${MUSLIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muslin}
tarball=$cache/musl-$version.tar.gz

case $version in
    1.2.5)
        sum=a9a118bbe84d8764da0ea0d28b3ab3fae8477fc7e4085d90102b8596fc7c75e4
        debian=1.2.5-3.1~deb13u1 suite=trixie
        ;;
    1.2.6)
        sum=d585fd3b613c66151fc3249e8ed44f77020cb5e6c1e635a616d3f9f82460512a
        debian=1.2.6-2 suite=sid
        ;;
    *)
        echo "fetch-musl: musl $version is not known here; known are 1.2.5 and 1.2.6" >&2
        exit 2
        ;;
esac

# Moves FILE into the cache if its checksum is the right one.
accept() {
    [ -f "$1" ] && echo "$sum  $1" | sha256sum --check --status || return 1
    cp "$1" "$tarball.$$" && mv "$tarball.$$" "$tarball"
}

mkdir -p "$cache"
if [ -f "$tarball" ] && echo "$sum  $tarball" | sha256sum --check --status; then
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

from_upstream() {
    local url=https://musl.libc.org/releases/musl-$version.tar.gz
    if command -v curl >/dev/null; then
        curl --silent --fail --location --connect-timeout 5 --max-time 60 --output "$scratch/upstream" "$url"
    elif command -v wget >/dev/null; then
        wget --quiet --tries=1 --timeout=10 --output-document="$scratch/upstream" "$url"
    else
        return 1
    fi && accept "$scratch/upstream"
}

from_debian() {
    local orig
    orig=$("$here/fetch-deb-source.sh" "musl=$debian" "$suite" "$scratch/pinned") && accept "$orig" && return
    orig=$("$here/fetch-deb-source.sh" musl "$suite" "$scratch/plain") && accept "$orig"
}

if from_upstream; then
    echo "fetch-musl: musl $version from upstream's release page, checksum ok" >&2
elif from_debian; then
    echo "fetch-musl: musl $version from Debian's source archive, checksum ok" >&2
else
    echo "fetch-musl: no source of musl $version with the right checksum could be had." >&2
    echo "fetch-musl: get musl-$version.tar.gz by hand and set MUSL_TARBALL=/path/to/musl-$version.tar.gz" >&2
    exit 1
fi
