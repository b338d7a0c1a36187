#!/usr/bin/env bash
# Formatting, clippy and, where it is there, cargo deny.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --quiet --workspace --all-targets --features muslin/abi-check -- --deny warnings
# Benches of handlers exist only with Muslin's libc.
cargo clippy --quiet --package muslin-bench --all-targets --features muslin -- --deny warnings
# Most of the runtime exists only for the target without an operating system.
for platform in linux solo5 xen; do
    cargo clippy --quiet --package muslin-runtime --target x86_64-unknown-none \
        --no-default-features --features "platform-$platform" -- --deny warnings
done
# So do the network's object and its stack.
cargo clippy --quiet --package muslin-net --package muslin-net-stack --target x86_64-unknown-none -- --deny warnings
deny=$(command -v cargo-deny || tools/fetch-cargo-deny.sh --where)
if [ -x "$deny" ]; then
    # Advisories need their database from outside; the rest needs this repository only.
    "$deny" --log-level error check licenses bans sources
else
    echo "lint: skipped cargo deny: it is not installed (\`make lint\` gets it)"
fi
