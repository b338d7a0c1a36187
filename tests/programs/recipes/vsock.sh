# A Rust program over the crate `vsock`, for guests of Xen.
own_sources=vsock
products="vsock-echo"

make_products() {
    rm -f target/x86_64-unknown-linux-musl/debug/deps/vsock_echo-* target/x86_64-unknown-linux-musl/debug/vsock-echo
    RUSTFLAGS="-C link-arg=--vsock" \
        cargo_for_sysroot build --locked --manifest-path "$here/vsock/Cargo.toml" --target-dir target
    cp target/x86_64-unknown-linux-musl/debug/vsock-echo vsock-echo
}
