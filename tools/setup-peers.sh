#!/usr/bin/env bash
# Makes ready what the tests of network programs have at Linux's end and do not build themselves: wrk. What is there
# is left alone. Run by tools/setup.sh; without it everything works but that part of the tests, which say so.
set -euo pipefail

command -v wrk >/dev/null && exit 0
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
if ! command -v apt-get >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
    echo 'setup-peers: there is no wrk: servers of HTTP are tested without its load' >&2
    exit 1
fi
echo 'setup-peers: installing wrk' >&2
"${as_root[@]}" apt-get -qq update >/dev/null 2>&1 || true
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --no-install-recommends --yes wrk >/dev/null 2>&1; then
    echo 'setup-peers: apt-get cannot install wrk: servers of HTTP are tested without its load' >&2
    exit 1
fi
