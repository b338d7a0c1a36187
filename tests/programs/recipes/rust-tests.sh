# The tests of Rust's own library, compiled from the sources that come with the toolchain: those of
# core and alloc by Cargo, with the versions locked there; those inside std by rustc, as Rust's own
# build does; those beside std one by one.
#
# All is compiled once. The linker keeps what it was given, so that it can be linked again.
library=$(rustc --print sysroot)/lib/rustlib/src/rust/library
[ -d "$library/std" ] || lacks "the sources of Rust's library are missing: rustup component add rust-src"
beside_std="create_dir_all_bare env env_modify error num panic path run-time-detect sync thread thread_local time"
products="coretests alloctests alloctests-inside std-inside"
for test in $beside_std; do
    products+=" std-$test"
done

make_products() {
    [ -d kept ] || compile
    link_kept
}

compile() {
    export KEPT=$PWD/kept.new RUSTC_BOOTSTRAP=1
    by_cargo coretests --package coretests --test coretests
    by_cargo alloctests --package alloctests --test alloctests
    by_cargo alloctests-inside --package alloctests --lib
    inside_std
    for test in $beside_std; do
        source=$library/std/tests/$test.rs
        [ -f "$source" ] || source=$library/std/tests/$test/lib.rs
        by_rustc "std-$test" "$source" -Zcrate-attr='feature(sync_poison_mod)'
    done
    mv kept.new kept
}

# by_cargo NAME CARGO-ARGUMENTS...
by_cargo() {
    local name=$1
    shift
    rm -rf "$KEPT/new"
    # Optimised a little: without, some tests of slices do not come to an end.
    CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
        CARGO_BUILD_TARGET=x86_64-unknown-linux-musl \
        CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=$here/kept-cc \
        cargo test --quiet --no-run --locked --manifest-path "$library/Cargo.toml" --target-dir target "$@"
    mv "$KEPT/new" "$KEPT/$name"
}

# All of std once more, as a test: what it is made of comes from the toolchain.
inside_std() {
    local externs='' crate
    for crate in core alloc std_detect unwind panic_unwind hashbrown libc cfg_if rustc_demangle addr2line object miniz_oxide; do
        externs+=" --extern $crate"
    done
    # shellcheck disable=SC2086
    STD_ENV_ARCH=x86_64 by_rustc std-inside "$library/std/src/lib.rs" $externs -Zforce-unstable-if-unmarked \
        --cfg 'feature="backtrace"' --cfg 'feature="panic-unwind"' --cfg backtrace_in_libstd
}

# by_rustc NAME SOURCE RUSTC-ARGUMENTS...
by_rustc() {
    local name=$1 source=$2 deps=target/x86_64-unknown-linux-musl/debug/deps
    shift 2
    rustc --test "$source" --crate-name "${name//-/_}" --edition 2024 --target x86_64-unknown-linux-musl \
        -C opt-level=1 -C linker="$here/kept-cc" --cap-lints allow -L "$deps" \
        --extern rand="$(ls -t $deps/librand-*.rlib | head -n 1)" --extern rand_xorshift="$(ls $deps/librand_xorshift-*.rlib)" \
        "$@" -o "$name.unused"
    mv "$KEPT/new" "$KEPT/$name"
}
