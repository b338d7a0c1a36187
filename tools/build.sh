#!/usr/bin/env bash
# Builds a sysroot into out/<platform>/ and the command into out/bin/muslin.
#
#   tools/build.sh linux|solo5|stock
set -euo pipefail
cd "$(dirname "$0")/.."
platform=${1:-linux}

case $platform in
    linux | stock) ;;
    solo5 | solo5-spt) platform=solo5-spt ;;
    xen | any)
        echo "build: PLATFORM=$platform is not built yet; linux and solo5 are" >&2
        exit 2
        ;;
    *)
        echo "build: PLATFORM=$platform is no platform; linux and solo5 are" >&2
        exit 2
        ;;
esac

tools/setup.sh
target=${CARGO_TARGET_DIR:-target}
[ -x "$target/release/muslin" ] || echo "build: compiling the tools" >&2
cargo build --quiet --release --package muslin-sysroot --package muslin-cmd
"$target/release/muslin-sysroot" --flavour "$platform" --out "out/$platform"

# The command is copied beside its old self and renamed, so that one that runs is not written to.
mkdir -p out/bin "out/$platform/bin"
if ! cmp -s "$target/release/muslin" out/bin/muslin; then
    cp "$target/release/muslin" out/bin/.muslin.new
    mv out/bin/.muslin.new out/bin/muslin
fi
ln -sfn ../../bin/muslin "out/$platform/bin/muslin-cc"
[ "$platform" = stock ] || echo "out/$platform and out/bin/muslin are built; \`make help\` lists what else there is"
