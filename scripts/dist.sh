#!/usr/bin/env bash
# Makes what a release consists of, in target/dist: a tarball, a Debian package, a bill of materials, and
# checksums. LB_BINARY names a program that has been built already; it must be built with LB_COMMIT and
# LB_DATE set, or it does not know them.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
LB_COMMIT=${LB_COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || echo unknown)}
LB_DATE=${LB_DATE:-$(git log -1 --format=%cs 2>/dev/null || date -u +%F)}
export LB_COMMIT LB_DATE

binary=${LB_BINARY:-}
if [ -z "$binary" ]; then
    cargo build --release --locked --bin lb
    binary=${CARGO_TARGET_DIR:-target}/release/lb
fi

machine=$(uname -m)
case $machine in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
*) debian=$machine ;;
esac

out=target/dist
rm -rf "$out"
root=$out/root
mkdir -p "$root"

# The unit names /usr/local/bin, which is for programs that no package brings.
install -D -m 755 "$binary" "$root/usr/bin/lb"
strip "$root/usr/bin/lb"
install -d "$root/usr/lib/systemd/system" "$root/etc/lb" "$root/etc/logrotate.d"
sed 's#/usr/local/bin/lb#/usr/bin/lb#' conf/lb.service >"$root/usr/lib/systemd/system/lb.service"
sed "s#=../docs/schema.json#=/usr/share/doc/lb/schema.json#" conf/lb.yaml >"$root/etc/lb/lb.yaml"
install -m 644 conf/lb.logrotate "$root/etc/logrotate.d/lb"

"$root/usr/bin/lb" manual "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*.1
complete() {
    install -d "$root/$(dirname "$2")"
    "$root/usr/bin/lb" completions "$1" >"$root/$2"
}
complete bash usr/share/bash-completion/completions/lb
complete zsh usr/share/zsh/vendor-completions/_lb
complete fish usr/share/fish/vendor_completions.d/lb.fish

doc=$root/usr/share/doc/lb
install -d "$doc"
install -m 644 LICENSE "$doc/copyright"
install -m 644 conf/reference.yaml docs/schema.json CHANGELOG.md "$doc/"

# Every crate that is linked in, with its licence: the notices, and the same for tools (CycloneDX).
crates() {
    cargo tree --locked --edges normal --prefix none --no-dedupe --format '{p}|{l}' |
        sed 's/ (proc-macro)//; s/ ([^)]*)|/|/' | sort -u | grep -v '^lb v'
}
{
    echo "lb $version contains these crates from crates.io:"
    echo
    crates | sed 's/|/, /'
} >"$doc/third-party.txt"
{
    printf '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,'
    printf '"metadata":{"component":{"type":"application","name":"lb","version":"%s"}},' "$version"
    printf '"components":['
    crates | sed -E 's#^(.*) v(.*)\|(.*)$#{"type":"library","name":"\1","version":"\2","purl":"pkg:cargo/\1@\2","licenses":[{"expression":"\3"}]}#' |
        paste -sd, - | tr -d '\n'
    printf ']}\n'
} >"$out/lb-$version.cdx.json"

name=lb-$version-$machine-linux
tar --create --gzip --owner=0 --group=0 --numeric-owner --sort=name \
    --transform "s#^\.#$name#" --file "$out/$name.tar.gz" --directory "$root" .

if command -v dpkg-deb >/dev/null; then
    install -d "$root/DEBIAN"
    install -m 755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$root/DEBIAN/"
    printf '%s\n' /etc/lb/lb.yaml /etc/logrotate.d/lb >"$root/DEBIAN/conffiles"
    cat >"$root/DEBIAN/control" <<CONTROL
Package: lb
Version: $version
Architecture: $debian
Maintainer: The authors of lb
Section: net
Priority: optional
Depends: libc6, libgcc-s1, passwd
Description: HTTP load balancer on Pingora
 Spreads requests over backends, and retries on another one when a backend
 fails. Configuration and operation are described in lb(1).
CONTROL
    dpkg-deb --root-owner-group --build "$root" "$out/lb_${version}_$debian.deb" >/dev/null
fi

rm -rf "$root"
(cd "$out" && sha256sum ./*.tar.gz ./*.json ./*.deb 2>/dev/null >SHA256SUMS) || true
ls -l "$out"
