#!/usr/bin/env bash
# Makes the Xen lab ready, in which guests of Xen run in QEMU on machines without Xen: puts Debian's
# Xen, its tools with their libraries, and a Linux for dom0 into the cache. Nothing of it is installed.
# What this script has made is left alone. Run by tools/setup.sh, after tools/setup-lab.sh, which installs QEMU;
# without it everything works but these tests, which say so.
set -euo pipefail
cache=${MUSLIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muslin}/xen-lab

programs='xl xenstored xenconsoled xenconsole xen-init-dom0 libxl-save-helper'
clients='xenstore'
libraries='libxencall.so.1 libxenctrl.so libxendevicemodel.so.1 libxenevtchn.so.1 libxenforeignmemory.so.1
    libxengnttab.so.1 libxenguest.so libxenhypfs.so.1 libxenlight.so libxenstore.so libxentoolcore.so.1
    libxentoollog.so.1 libxenvchan.so libxlutil.so libyajl.so.2 libuuid.so.1 libz.so.1 libzstd.so.1
    liblzma.so.5 libbz2.so.1.0 libgcc_s.so.1 libc.so.6 libm.so.6'
modules='xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs xen-blkback xen-netback loop llc stp bridge
    scsi_common scsi_mod crct10dif_common crc-t10dif crc64 crc64-rocksoft t10-pi sd_mod vmw_pvscsi
    e1000 tun vsock vmw_vsock_virtio_transport_common vsock_loopback'

give_up() {
    echo "setup-xen-lab: $1: guests of Xen are tested only where the lab is" >&2
    exit 1
}

# A lab has the name of the script that made it, by which the tests know theirs.
script=$(sha256sum <"$0" | cut -c 1-16)
for xen in "$cache"/*-"$script"/xen; do
    if [ -f "$xen" ]; then
        exit 0
    fi
done

for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || give_up "there is no $program to get Debian's packages of Xen with"
done

# What a package without a version in its name stands for.
newest() {
    apt-cache depends "$1" 2>/dev/null | sed -n "s/^ *Depends: *\($2\)\$/\1/p" | head -n 1
}
hypervisor=$(newest xen-system-amd64 'xen-hypervisor-[0-9.]*-amd64')
utils=$(newest xen-system-amd64 'xen-utils-[0-9.]*')
linux=$(newest linux-image-amd64 'linux-image-[0-9].*')
[ -n "$hypervisor" ] && [ -n "$utils" ] || give_up 'apt-get knows no xen-system-amd64'
[ -n "$linux" ] || give_up 'apt-get knows no linux-image-amd64'
version=${utils#xen-utils-}

mkdir -p "$cache"
scratch=$(mktemp -d "$cache/.new-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# apt-get checks what it gets against the signed lists of the archive.
(cd "$scratch" && apt-get -qq download "$hypervisor" "$utils" "$linux" "libxenmisc$version" \
    libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1 libxengnttab1 libxenhypfs1 \
    libxenstore4 libxentoolcore1 libxentoollog1 libyajl2 xenstore-utils busybox-static \
    libc6 libgcc-s1 libuuid1 zlib1g libzstd1 liblzma5 libbz2-1.0 >log 2>&1) ||
    give_up "apt-get cannot download $hypervisor and what it needs"

tree=$scratch/tree
lab=$scratch/lab
mkdir "$tree" "$lab" "$lab/bin" "$lab/lib" "$lab/modules"
for package in "$scratch"/*.deb; do
    case $package in
        */linux-image-*) dpkg-deb --fsys-tarfile "$package" | tar -x -C "$tree" --exclude='*/drivers/gpu/*' ;;
        *) dpkg-deb --extract "$package" "$tree" ;;
    esac
done

# Takes the first program or library of this name below the tree.
take() {
    local file
    file=$(find "$tree" \( -path '*bin/*' -o -path '*/lib*/*' \) -name "$1" -not -type d -print -quit)
    [ -n "$file" ] || give_up "the packages have no $1"
    cp -L "$file" "$2"
}
for program in $programs; do
    cp "$tree/usr/lib/xen-$version/bin/$program" "$lab/bin/" || give_up "$utils has no $program"
done
for program in $clients busybox; do
    take "$program" "$lab/bin/$program"
done
for library in $libraries; do
    # A name without a number stands for the one of this Xen.
    case $library in
        *.so) take "$library.*[0-9]" "$scratch/library" ;;
        *) take "$library" "$scratch/library" ;;
    esac
    name=$(objdump -p "$scratch/library" | sed -n 's/^ *SONAME *//p')
    cp "$scratch/library" "$lab/lib/${name:-$library}"
done
take ld-linux-x86-64.so.2 "$lab/lib/ld-linux-x86-64.so.2"
for module in $modules; do
    file=$(find "$tree" -name "$module.ko*" -print -quit)
    case $file in
        *.ko) cp "$file" "$lab/modules/$module.ko" ;;
        *.ko.xz) xz -dc "$file" >"$lab/modules/$module.ko" ;;
        *) give_up "$linux has no module $module" ;;
    esac
    strip --strip-debug "$lab/modules/$module.ko"
done
# The order in which they need each other.
echo $modules | tr ' ' '\n' >"$lab/modules/order"
cp "$tree"/boot/vmlinuz-* "$lab/vmlinuz"
gzip -dc "$tree/boot/xen-$version-amd64.gz" >"$lab/xen" || give_up "$hypervisor has no Xen"

mv -T "$lab" "$cache/xen-$version-$script" 2>/dev/null || true
# Labs of other copies of this script stay while they are used.
find "$cache" -maxdepth 1 -name 'xen-*' -mtime +30 -exec rm -rf {} +
echo "setup-xen-lab: $utils and $linux for the Xen lab" >&2
