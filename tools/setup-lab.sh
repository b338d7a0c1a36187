#!/usr/bin/env bash
# Makes the lab ready, in which guests of hvt run where KVM is of no use: installs QEMU, and puts a
# Linux kernel into the cache: Debian's own, and the modules that make /dev/kvm. What is there is left
# alone. Run by tools/setup.sh; without it everything works but these tests, which say so.
set -euo pipefail
cache=${MUSLIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muslin}/lab
modules='irqbypass kvm ccp kvm-amd tun'

give_up() {
    echo "setup-lab: $1: guests of hvt are tested only where /dev/kvm works" >&2
    exit 1
}

if ! command -v qemu-system-x86_64 >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    command -v apt-get >/dev/null || give_up 'there is no QEMU (qemu-system-x86_64), and no apt-get to install it'
    [ ${#as_root[@]} -eq 0 ] || command -v sudo >/dev/null || give_up 'there is no QEMU; install qemu-system-x86'
    echo 'setup-lab: installing qemu-system-x86' >&2
    "${as_root[@]}" apt-get -qq update >/dev/null 2>&1 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --no-install-recommends --yes qemu-system-x86 >/dev/null 2>&1 ||
        give_up 'apt-get cannot install qemu-system-x86'
fi

for kernel in "$cache"/*/vmlinuz; do
    if [ -f "$kernel" ]; then
        exit 0
    fi
done

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
echo "setup-lab: $package for the lab in QEMU" >&2
