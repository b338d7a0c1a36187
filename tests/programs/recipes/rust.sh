# The small Rust programs of tests/programs/rust, over crates that are used as they come.
own_sources=rust
bins="alone http-server sort sqlite tasks threads tls"
products="$bins"

make_products() {
    # Cargo links a program again when its file is gone; the crates below it stay as they are.
    for bin in $bins; do
        find target/x86_64-unknown-linux-musl/debug/deps -name "${bin//-/_}-*" ! -name '*.d' -delete 2>/dev/null || true
    done
    cargo_for_sysroot build --locked --manifest-path "$here/rust/Cargo.toml" --target-dir target
    for bin in $bins; do
        cp "target/x86_64-unknown-linux-musl/debug/$bin" "$bin"
    done
}
