# ripgrep, installed by Cargo from the registry with the versions its authors locked.
products="rg"

make_products() {
    rm -f target/x86_64-unknown-linux-musl/release/deps/rg-*[0-9a-f]
    # Quicker to build than the published profile; nothing else differs.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo_for_sysroot install --locked --force --version "$version" --target-dir target --root installed ripgrep
    cp installed/bin/rg rg
}
