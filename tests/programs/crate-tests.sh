# Own tests of crates, from the crates as they are published: for each the tests inside it, and those beside it in one
# image. A recipe that reads this names $crates, the package in $own_sources that pins them, and may define anew the
# functions at the end.
shared=crate-tests.sh

make_products() {
    [ -d kept ] || compile
    link_kept
}

compile() {
    local crate manifest metadata
    export KEPT=$PWD/kept.new
    rm -rf kept.new
    metadata=$(cargo metadata --locked --format-version 1 --manifest-path "$here/$own_sources/Cargo.toml")
    for crate in $crates; do
        manifest=$(echo "$metadata" | grep -oE '"manifest_path":"[^"]*"' | cut -d '"' -f 4 | grep -E "/$crate-[0-9.]+/Cargo.toml\$")
        rm -rf "$crate.d"
        cp -r "$(dirname "$manifest")" "$crate.d"
        chmod -R u+w "$crate.d"
        # Older crates bring no lock; what of this one does not concern them, Cargo takes out.
        [ -f "$crate.d/Cargo.lock" ] || cp "$here/$own_sources/Cargo.lock" "$crate.d/"
        # What the tests use besides is to use this very copy.
        printf '\n[workspace]\n\n[patch.crates-io]\n%s = { path = "." }\n' "$crate" >>"$crate.d/Cargo.toml"
        prepare "$crate"
        if has_tests_inside "$crate"; then
            by_cargo "$crate" "$crate-inside" --lib
        fi
        beside "$crate"
    done
    mv kept.new kept
}

# The tests beside a crate, as modules of one unless they are so already.
beside() {
    local crate=$1 file name
    for file in "$crate.d"/tests/*.rs; do
        [ -f "$file" ] || break
        name=$(basename "$file" .rs)
        is_left_out "$crate" "$name" || printf '#[path = "%s.rs"]\nmod r#%s;\n' "$name" "$name"
    done >modules
    if [ -s modules ]; then
        mv modules "$crate.d/tests/all.rs"
        printf '\n[[test]]\nname = "all"\npath = "tests/all.rs"\n' >>"$crate.d/Cargo.toml"
        by_cargo "$crate" "$crate" --test all
    elif [ -d "$crate.d/test" ]; then
        by_cargo "$crate" "$crate" --test test
    fi
}

# by_cargo CRATE NAME CARGO-ARGUMENTS...
by_cargo() {
    local crate=$1 name=$2 words
    shift 2
    read -ra words < <(words_for "$crate")
    rm -rf "$KEPT/new"
    CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
        CARGO_BUILD_TARGET=x86_64-unknown-linux-musl CC_x86_64_unknown_linux_musl=muslin-cc \
        CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=$here/kept-cc \
        cargo test --quiet --no-run --manifest-path "$crate.d/Cargo.toml" --target-dir target \
        "${words[@]}" "$@"
    mv "$KEPT/new" "$KEPT/$name"
}

# What is done to the copy of a crate before it is compiled.
prepare() { :; }

# Does it have tests inside?
has_tests_inside() { true; }

# Is this file beside it left out?
is_left_out() { false; }

# What Cargo is told besides.
words_for() { echo; }
