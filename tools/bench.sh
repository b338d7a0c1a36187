#!/usr/bin/env bash
# Measures what Muslin costs beside stock musl, and guests of spt beside native programs, and prints
# tables with the targets. Wants the sysroots of Linux: see `make bench`.
#
#   tools/bench.sh [network|xen]
#
# "network" measures that alone, as "xen" does guests of Xen: in the lab in QEMU, about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || echo "bench: skipped counting instructions: valgrind is not installed" >&2
tools/build.sh solo5-spt
tools/build.sh xen
exec cargo run --quiet --release --package muslin-bench -- \
    out/stock out/linux out/solo5-spt out/xen out/bin/muslin "${CARGO_TARGET_DIR:-target}/bench" "$@"
