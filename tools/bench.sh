#!/usr/bin/env bash
# Measures what Muslin costs beside stock musl, and guests of spt beside native programs, and prints
# tables with the targets. Wants the sysroots of Linux: see `make bench`.
#
#   tools/bench.sh [network]
#
# "network" measures that alone.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || echo "bench: skipped counting instructions: valgrind is not installed" >&2
tools/build.sh solo5-spt
exec cargo run --quiet --release --package muslin-bench -- \
    out/stock out/linux out/solo5-spt out/bin/muslin "${CARGO_TARGET_DIR:-target}/bench" "$@"
