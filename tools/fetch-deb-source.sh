#!/usr/bin/env bash
# Fetches the upstream tarball of a Debian source package, as Debian keeps it, without touching the
# machine's own package lists: a private sources list is made from the machine's own.
#
#   tools/fetch-deb-source.sh PACKAGE[=VERSION] SUITE OUTDIR
#
# SUITE is a suite name (trixie, sid, ...) or "default" for the machine's own. The path of the
# *.orig.tar.* file is printed on stdout; a second call finds the file in OUTDIR and fetches nothing.
set -euo pipefail

if [ $# -ne 3 ]; then
    echo "usage: tools/fetch-deb-source.sh PACKAGE[=VERSION] SUITE|default OUTDIR" >&2
    exit 2
fi
wanted=$1
package=${wanted%%=*}
suite=$2
out=$3
cache=${MUSLIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muslin}

fail() {
    echo "fetch-deb-source: $*" >&2
    exit 1
}

# The orig tarball in OUTDIR, of the wanted version if one was named.
find_orig() {
    local version=
    case $wanted in *=*) version=${wanted#*=} version=${version#*:} version=${version%-*} ;; esac
    find "$out" -maxdepth 1 -type f -name "${package}_${version:-*}.orig.tar.*" ! -name '*.asc' | sort | tail -n 1
}

mkdir -p "$out"
out=$(cd "$out" && pwd)
orig=$(find_orig)
if [ -n "$orig" ]; then
    echo "$orig"
    exit 0
fi

command -v apt-get >/dev/null || fail "needs apt-get (Debian or Ubuntu) to fetch the source of $package"
# shellcheck disable=SC1091
own_suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$suite" = default ] && suite=$own_suite
[ -n "$suite" ] || fail "cannot tell this machine's suite (no VERSION_CODENAME in /etc/os-release): name one"

# Prints "deb-src [options] URI SUITE components" for each entry of the machine's main archive.
private_sources() {
    local f
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$f" ] && sed -n 's/^[[:space:]]*deb\(-src\)\?[[:space:]]\+/ /p' "$f" | awk -v own="$own_suite" -v suite="$suite" '
            {
                options = ""
                if ($1 ~ /^\[/) {
                    while ($1 !~ /\]$/ && NF > 1) { options = options $1 " "; $1 = ""; $0 = $0 }
                    options = options $1 " "; $1 = ""; $0 = $0
                }
                if ($2 != own && $2 !~ /^(stable|testing|unstable|sid)$/) next
                uri = $1; $1 = ""; $2 = ""
                print "deb-src " options uri " " suite " " $0
            }'
    done
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -f "$f" ] && awk -v own="$own_suite" -v suite="$suite" '
            function flush_entry(   i, n, list, mine) {
                n = split(suites, list, " ")
                for (i = 1; i <= n; i++) if (list[i] == own || list[i] ~ /^(stable|testing|unstable|sid)$/) mine = 1
                if (mine && uris != "" && enabled != "no") {
                    n = split(uris, list, " ")
                    for (i = 1; i <= n; i++)
                        print "deb-src " (signed ~ /^\// ? "[signed-by=" signed "] " : "") list[i] " " suite " " components
                }
                suites = uris = components = signed = enabled = ""
            }
            /^#/ { next }
            /^[[:space:]]*$/ { flush_entry(); next }
            /^[Ss]uites:/ { sub(/^[^:]*:[[:space:]]*/, ""); suites = $0 }
            /^U[Rr][Ii]s:/ { sub(/^[^:]*:[[:space:]]*/, ""); uris = $0 }
            /^[Cc]omponents:/ { sub(/^[^:]*:[[:space:]]*/, ""); components = $0 }
            /^[Ss]igned-[Bb]y:/ { sub(/^[^:]*:[[:space:]]*/, ""); signed = $0 }
            /^[Ee]nabled:/ { sub(/^[^:]*:[[:space:]]*/, ""); enabled = $0 }
            END { flush_entry() }' "$f"
    done
}

private=$cache/apt-$suite
mkdir -p "$private/lists/partial" "$private/archives/partial"
private_sources | sort -u >"$private/sources.list.new"
[ -s "$private/sources.list.new" ] || fail "no entry for suite '$own_suite' in /etc/apt/sources.list or sources.list.d"

private_apt() {
    apt-get -o Dir::Etc::sourcelist="$private/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::Lists="$private/lists" -o Dir::Cache="$private" \
        -o Dir::Cache::archives="$private/archives" -o APT::Sandbox::User=root \
        -o APT::Get::List-Cleanup=false -o Acquire::Languages=none \
        -o Acquire::Retries=2 "$@"
}

# One user of the private lists at a time; the lists are renewed when the entries change or after a day.
exec 9>"$private/lock"
flock 9
if ! cmp -s "$private/sources.list.new" "$private/sources.list" \
    || [ -z "$(find "$private/updated" -mmin -1440 2>/dev/null)" ]; then
    mv "$private/sources.list.new" "$private/sources.list"
    rm -f "$private/updated"
    echo "fetch-deb-source: reading the package lists of $suite" >&2
    private_apt -qq update >"$private/update.log" 2>&1 \
        || fail "apt-get update for $suite failed; see $private/update.log"
    touch "$private/updated"
else
    rm -f "$private/sources.list.new"
fi

# A download may be refused for one of its files (.dsc, .debian.tar) and still bring the upstream
# tarball, which is all that is wanted; apt keeps a file only when it matches the signed index.
echo "fetch-deb-source: fetching $wanted from $suite" >&2
(cd "$out" && private_apt -qq source --download-only "$wanted") >"$private/source.log" 2>&1 || true
orig=$(find_orig)
[ -n "$orig" ] || fail "apt-get source $wanted ($suite) brought no upstream tarball; see $private/source.log"
echo "$orig"
