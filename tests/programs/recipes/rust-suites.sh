# The own tests of tokio, crossbeam's crates and parking_lot, from the crates as they are published: for each the
# tests inside it, and those beside it in one image, but for what needs processes.
own_sources=suites
crates="crossbeam-channel crossbeam-deque crossbeam-epoch crossbeam-queue crossbeam-utils parking_lot parking_lot_core tokio"
products="crossbeam-channel crossbeam-deque crossbeam-epoch-inside crossbeam-queue crossbeam-utils crossbeam-utils-inside
    parking_lot parking_lot_core-inside tokio tokio-inside"

make_products() {
    [ -d kept ] || compile
    link_kept
}

compile() {
    local crate manifest metadata
    export KEPT=$PWD/kept.new
    rm -rf kept.new
    metadata=$(cargo metadata --locked --format-version 1 --manifest-path "$here/suites/Cargo.toml")
    for crate in $crates; do
        manifest=$(echo "$metadata" | grep -oE '"manifest_path":"[^"]*"' | cut -d '"' -f 4 | grep -E "/$crate-[0-9.]+/Cargo.toml\$")
        rm -rf "$crate.d"
        cp -r "$(dirname "$manifest")" "$crate.d"
        chmod -R u+w "$crate.d"
        # What the tests use besides is to use this very copy.
        printf '\n[workspace]\n\n[patch.crates-io]\n%s = { path = "." }\n' "$crate" >>"$crate.d/Cargo.toml"
        if [ "$crate" = tokio ]; then
            # The lock names an earlier one for what the tests use besides.
            (cd "$crate.d" && cargo update --quiet --precise "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" \
                "tokio@$(sed -n '/^name = "tokio"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock | head -n 1)")
        fi
        case $crate in
            crossbeam-channel | crossbeam-deque | crossbeam-queue | parking_lot) ;; # no test is inside
            *) by_cargo "$crate" "$crate-inside" --lib ;;
        esac
        beside "$crate"
    done
    mv kept.new kept
}

# The tests beside a crate, as modules of one.
beside() {
    local crate=$1 file name
    for file in "$crate.d"/tests/*.rs; do
        [ -f "$file" ] || return 0
        name=$(basename "$file" .rs)
        case $name in
            loom) ;;
            # Processes; other systems; what only an unstable build has.
            net_named* | process_*) ;;
            *windows* | *emscripten* | *wasm* | rt_emscripten*) ;;
            _require_full | dump | fs_uring* | io_poll_aio | macros_rename_test | task_trace_* | tracing_*) ;;
            *) printf '#[path = "%s.rs"]\nmod %s;\n' "$name" "$name" ;;
        esac
    done >modules
    [ -s modules ] || return 0
    # One of them names a module of its own root.
    [ "$crate" != tokio ] || echo 'use tokio::time;' >>modules
    mv modules "$crate.d/tests/all.rs"
    printf '\n[[test]]\nname = "all"\npath = "tests/all.rs"\n' >>"$crate.d/Cargo.toml"
    by_cargo "$crate" "$crate" --test all
}

# by_cargo CRATE NAME CARGO-ARGUMENTS...
by_cargo() {
    local crate=$1 name=$2 features=()
    shift 2
    [ "$crate" != tokio ] || features=(--features full,test-util)
    rm -rf "$KEPT/new"
    CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
        CARGO_BUILD_TARGET=x86_64-unknown-linux-musl CC_x86_64_unknown_linux_musl=muslin-cc \
        CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=$here/kept-cc \
        cargo test --quiet --no-run --manifest-path "$crate.d/Cargo.toml" --target-dir target \
        "${features[@]}" "$@"
    mv "$KEPT/new" "$KEPT/$name"
}
