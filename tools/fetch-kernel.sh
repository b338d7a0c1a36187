#!/usr/bin/env bash
# Puts a Linux kernel for the lab in QEMU into the cache: Debian's own, and the modules that make
# /dev/kvm. Where there is one already, nothing is done.
set -euo pipefail
cache=${MUSLIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muslin}/lab
modules='irqbypass kvm ccp kvm-amd tun'

for kernel in "$cache"/*/vmlinuz; do
    if [ -f "$kernel" ]; then
        exit 0
    fi
done

give_up() {
    echo "fetch-kernel: $1: guests for hvt run only where /dev/kvm does" >&2
    exit 1
}

for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || give_up "there is no $program to get a kernel of Debian's with"
done

# The package without a version names the newest one.
package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$package" ] || give_up 'apt-get knows no linux-image-amd64'

mkdir -p "$cache"
scratch=$(mktemp -d "$cache/.new-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# apt-get checks what it gets against the signed lists of the archive.
(cd "$scratch" && apt-get -qq download "$package" >log 2>&1) || give_up "apt-get cannot download $package"

mkdir "$scratch/tree" "$scratch/kernel"
dpkg-deb --fsys-tarfile "$scratch"/*.deb | tar -x -C "$scratch/tree" --wildcards \
    './boot/vmlinuz-*' '*/irqbypass.ko*' '*/kvm.ko*' '*/ccp.ko*' '*/kvm-amd.ko*' '*/tun.ko*'
for module in $modules; do
    file=$(find "$scratch/tree" -name "$module.ko*" -print -quit)
    case $file in
        *.ko) cp "$file" "$scratch/kernel/$module.ko" ;;
        *.ko.xz) xz -dc "$file" >"$scratch/kernel/$module.ko" ;;
        *) give_up "$package has no module $module" ;;
    esac
done
cp "$scratch"/tree/boot/vmlinuz-* "$scratch/kernel/vmlinuz"
sum=$(sha256sum "$scratch/kernel/vmlinuz" | cut -c 1-16)
mv -T "$scratch/kernel" "$cache/$package-$sum" 2>/dev/null || true
echo "fetch-kernel: $package for the lab in QEMU" >&2
