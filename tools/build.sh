#!/usr/bin/env bash
# Builds sysroots into out/<platform>/ and the command into out/bin/muslin.
#
#   tools/build.sh linux|solo5|any|xen|stock
set -euo pipefail
cd "$(dirname "$0")/.."
platform=${1:-linux}

case $platform in
    linux | stock | any | xen | solo5-spt | solo5-hvt) flavours=$platform ;;
    solo5) flavours="solo5-spt solo5-hvt" ;;
    *)
        echo "build: PLATFORM=$platform is no platform; linux, solo5, any and xen are" >&2
        exit 2
        ;;
esac

tools/setup.sh "$platform"
# Linked statically, the command starts in half the time, and a guest with it.
triple=x86_64-unknown-linux-musl
built=${CARGO_TARGET_DIR:-target}/$triple/release
[ -x "$built/muslin" ] || echo "build: compiling the tools" >&2
cargo build --quiet --release --target "$triple" --package muslin-sysroot --package muslin-cmd

# The command is copied beside its old self and renamed, so that one that runs is not written to.
mkdir -p out/bin
if ! cmp -s "$built/muslin" out/bin/muslin; then
    cp "$built/muslin" out/bin/.muslin.new
    mv out/bin/.muslin.new out/bin/muslin
fi
for flavour in $flavours; do
    "$built/muslin-sysroot" --flavour "$flavour" --out "out/$flavour"
    mkdir -p "out/$flavour/bin"
    ln -sfn ../../bin/muslin "out/$flavour/bin/muslin-cc"
    [ "$flavour" = stock ] || echo "out/$flavour and out/bin/muslin are built; \`make help\` lists what else there is"
done
