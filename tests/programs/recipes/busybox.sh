# BusyBox with its default set of applets, static.
products="busybox"
intermediates="busybox_unstripped"

make_products() {
    if [ ! -f .config ]; then
        make HOSTCC=gcc defconfig
        sed -i 's/^# CONFIG_STATIC is not set/CONFIG_STATIC=y/' .config
    fi
    make -j"$jobs" CC=muslin-cc HOSTCC=gcc busybox
}
