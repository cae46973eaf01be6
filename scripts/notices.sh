#!/usr/bin/env bash
# What is linked into the program, for those who pass it on: `scripts/notices.sh bill` prints a bill of
# materials (CycloneDX, JSON), `scripts/notices.sh texts` the licences, each text once with the crates that
# have it. Both come from Cargo.lock and the sources that cargo has fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# Lines "NAME VERSION|LICENCE". Some crates still write an alternative with a slash, which SPDX does not know.
crates() {
    cargo tree --locked --edges normal --prefix none --no-dedupe --format '{p}|{l}' |
        sed -E 's/ \(proc-macro\)//; s/ \([^)]*\)\|/|/; s/^([^ ]+) v/\1 /; s# ?/ ?# OR #g' |
        sort -u | grep -v '^lb '
}

bill() {
    printf '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,'
    printf '"metadata":{"component":{"type":"application","name":"lb","version":"%s",' "$version"
    printf '"licenses":[{"expression":"MIT"}]}},"components":['
    crates | sed -E 's#^(.*) (.*)\|(.*)$#{"type":"library","name":"\1","version":"\2","purl":"pkg:cargo/\1@\2","licenses":[{"expression":"\3"}]}#' |
        paste -sd, - | tr -d '\n'
    printf ']}\n'
}

texts() {
    local work sources crate text sum
    work=$(mktemp -d)
    sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
    echo "lb $version contains these crates from crates.io:"
    echo
    crates | sed 's/|/, /'
    while IFS='|' read -r crate _; do
        for text in "$sources"/*/"${crate/ /-}"/*; do
            case ${text##*/} in
            [Ll][Ii][Cc][Ee][Nn][CcSs][Ee]* | [Cc][Oo][Pp][Yy]* | NOTICE* | UNLICENSE*) ;;
            *) continue ;;
            esac
            [ -f "$text" ] || continue
            sum=$(tr -d '\r' <"$text" | sha256sum | cut -c 1-64)
            [ -f "$work/$sum.text" ] || tr -d '\r' <"$text" >"$work/$sum.text"
            echo "$crate" >>"$work/$sum.crates"
        done
    done < <(crates)
    for text in "$work"/*.text; do
        printf '\n%s\n' "------------------------------------------------------------------------"
        sort -u "${text%.text}.crates" | paste -sd, - | sed 's/,/, /g' | fold -s -w 100
        echo
        cat "$text"
    done
    rm -rf "$work"
}

case ${1:-} in
bill | texts) "$1" ;;
*)
    echo "usage: scripts/notices.sh bill|texts" >&2
    exit 2
    ;;
esac
