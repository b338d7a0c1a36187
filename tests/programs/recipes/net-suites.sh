# The own tests of crates that are about sockets and readiness, from the crates as they are published.
own_sources=net-suites
crates="async-io mio nix polling quinn-udp"
products="async-io mio nix polling quinn-udp quinn-udp-inside"
. "$here/crate-tests.sh"

prepare() {
    case $1 in
        # It was written for an earlier compiler.
        mio) printf '\n[lints.rust]\nwarnings = "allow"\nuseless_deprecated = "allow"\n' ;;
        # Otherwise rustix calls no libc, and so no handler.
        async-io | nix | polling)
            printf '\n[dev-dependencies.rustix]\nversion = "1"\ndefault-features = false\nfeatures = ["use-libc"]\n'
            ;;
    esac >>"$1.d/Cargo.toml"
}

has_tests_inside() {
    [ "$1" = quinn-udp ]
}

is_left_out() {
    [[ $2 = windows* ]]
}

words_for() {
    [ "$1" = nix ] && echo --all-features || echo
}
