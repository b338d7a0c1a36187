# Rust programs with a network, over crates that are used as they come.
own_sources=net
bins="web"
products="$bins"

make_products() {
    # Cargo links a program again when its file is gone; the crates below it stay as they are.
    for bin in $bins; do
        find target/x86_64-unknown-linux-musl/debug/deps -name "$bin-*" ! -name '*.d' -delete 2>/dev/null || true
    done
    cargo_for_sysroot build --locked --manifest-path "$here/net/Cargo.toml" --target-dir target
    for bin in $bins; do
        cp "target/x86_64-unknown-linux-musl/debug/$bin" "$bin"
    done
}
