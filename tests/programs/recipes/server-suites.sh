# The own tests of crates of servers and clients over the network stack, from the crates as they are published.
own_sources=server-suites
crates="tiny_http socket2 async-std hyper-util"
products="tiny_http socket2-inside async-std hyper-util hyper-util-inside"
. "$here/crate-tests.sh"

prepare() {
    case $1 in
        # Otherwise rustix calls no libc, and so no handler.
        async-std)
            printf '\n[dev-dependencies.rustix]\nversion = "0.38"\ndefault-features = false\nfeatures = ["use-libc"]\n' \
                >>"$1.d/Cargo.toml"
            ;;
        # Beside others they are no root.
        hyper-util) sed -i 's/crate::Mock/crate::legacy_client::Mock/' "$1.d/tests/legacy_client.rs" ;;
        tiny_http)
            # The one of its lock is refused by today's compiler.
            (cd "$1.d" && cargo update --quiet --precise 0.3.25 rustc-serialize)
            # No module has a hyphen in its name.
            (cd "$1.d/tests" && for file in *-*.rs; do mv "$file" "${file//-/_}"; done)
            ;;
    esac
}

has_tests_inside() {
    case $1 in
        async-std | tiny_http) false ;; # those inside touch no socket
    esac
}

is_left_out() {
    [ "$1-$2" = async-std-stream ] # it does not compile
}

words_for() {
    case $1 in
        async-std) echo --features attributes ;;
        hyper-util) echo --features full ;;
        socket2) echo --all-features ;;
        *) echo ;;
    esac
}
