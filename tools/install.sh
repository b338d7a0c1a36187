#!/usr/bin/env bash
# Copies out/ below a prefix: bin/muslin, bin/muslin-cc and lib/muslin/<platform>/.
#
#   tools/install.sh PLATFORM PREFIX
set -euo pipefail
cd "$(dirname "$0")/.."
platforms=${1/%solo5/solo5-spt solo5-hvt}
prefix=$2

mkdir -p "$prefix/bin" "$prefix/lib/muslin"
install -m 755 out/bin/muslin "$prefix/bin/muslin"
ln -sfn muslin "$prefix/bin/muslin-cc"
for platform in $platforms; do
    sysroot=$prefix/lib/muslin/$platform
    rm -rf "$sysroot.new"
    cp -R "out/$platform" "$sysroot.new"
    rm -rf "$sysroot"
    mv "$sysroot.new" "$sysroot"
    ln -sfn ../../../../bin/muslin "$sysroot/bin/muslin-cc"
    echo "installed $prefix/bin/muslin, $prefix/bin/muslin-cc and $sysroot"
done
