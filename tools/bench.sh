#!/usr/bin/env bash
# Measures what Muslin costs beside stock musl, and prints a table with the targets. Wants both
# sysroots: see `make bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || echo "bench: skipped counting instructions: valgrind is not installed" >&2
exec cargo run --quiet --release --package muslin-bench -- \
    out/stock out/linux "${CARGO_TARGET_DIR:-target}/bench"
