#!/usr/bin/env bash
# Puts cargo-deny into the cache, where tools/lint.sh finds it. It is compiled, once a version, which
# takes two processors about a minute and a half. Run by `make lint`.
set -euo pipefail
version=0.20.2
cache=${MUSLIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muslin}
place=$cache/cargo-deny-$version

if [ "${1:-}" = --where ]; then
    echo "$place/cargo-deny"
    exit 0
fi
if [ -x "$place/cargo-deny" ] || command -v cargo-deny >/dev/null; then
    exit 0
fi

echo "fetch-cargo-deny: compiling cargo-deny $version, once; this takes a minute or two" >&2
mkdir -p "$cache"
scratch=$(mktemp -d "$cache/.cargo-deny-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# Somewhere else, so that no settings of this repository's are its own.
if ! (cd "$scratch" && cargo install --quiet --locked --root "$scratch" --target-dir "$scratch/target" \
    --version "$version" cargo-deny) >"$scratch/log" 2>&1; then
    tail -n 5 "$scratch/log" >&2
    echo "fetch-cargo-deny: it could not be had; put a cargo-deny of your own into PATH" >&2
    exit 1
fi
mkdir -p "$place"
mv "$scratch/bin/cargo-deny" "$place/cargo-deny"
