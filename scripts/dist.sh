#!/usr/bin/env bash
# Makes what a release consists of, in target/dist or in the folder that is named: a tarball, a Debian package,
# a bill of materials, and checksums.
#
# With cargo-zigbuild the program needs no newer C library than glibc 2.28 (Debian 10, RHEL 8), whatever the
# machine has that builds it; without, that of this machine. The package depends on what the program needs.
# LB_BINARY names a program that has been built already; it must be built with LB_COMMIT and LB_DATE set, or
# it does not know them. LB_DRAFT=yes compresses little, for tests.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-target/dist}
[ $# -gt 0 ] || rm -rf "$out"
if [ -n "$(ls -A "$out" 2>/dev/null)" ]; then
    echo "$out is not empty" >&2
    exit 1
fi

glibc=2.28
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
LB_COMMIT=${LB_COMMIT:-$(git rev-parse --short HEAD 2>/dev/null || echo unknown)}
LB_DATE=${LB_DATE:-$(git log -1 --format=%cs 2>/dev/null || date -u +%F)}
# dpkg-deb takes the times of files from it, too.
SOURCE_DATE_EPOCH=$(date -u -d "$LB_DATE" +%s)
export LB_COMMIT LB_DATE SOURCE_DATE_EPOCH
level=-9
if [ -n "${LB_DRAFT:-}" ]; then
    level=-1
    export DPKG_DEB_COMPRESSOR_TYPE=none
fi

target_folder=${CARGO_TARGET_DIR:-target}
binary=${LB_BINARY:-}
if [ -n "$binary" ]; then
    :
elif command -v cargo-zigbuild >/dev/null; then
    host=$(rustc -vV | sed -n 's/^host: //p')
    cargo zigbuild --release --locked --bin lb --target "$host.$glibc" --target-dir "$target_folder"
    binary=$target_folder/$host/release/lb
else
    echo "cargo-zigbuild is missing: the program will need the C library of this machine" >&2
    cargo build --release --locked --bin lb --target-dir "$target_folder"
    binary=$target_folder/release/lb
fi

machine=$(uname -m)
case $machine in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
*) debian=$machine ;;
esac

root=$out/root
mkdir -p "$root"

# The unit names /usr/local/bin, which is for programs that no package brings.
install -D -m 755 "$binary" "$root/usr/bin/lb"
strip "$root/usr/bin/lb"
install -d "$root/usr/lib/systemd/system" "$root/etc/lb" "$root/etc/logrotate.d"
sed 's#/usr/local/bin/lb#/usr/bin/lb#' conf/lb.service >"$root/usr/lib/systemd/system/lb.service"
install -m 644 deploy/debian/lb.yaml "$root/etc/lb/lb.yaml"
install -m 644 conf/lb.logrotate "$root/etc/logrotate.d/lb"

"$root/usr/bin/lb" manual "$root/usr/share/man/man1"
gzip -n "$level" "$root"/usr/share/man/man1/*.1
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
scripts/notices.sh texts | gzip -n "$level" >"$doc/third-party.txt.gz"
scripts/notices.sh bill >"$out/lb-$version-$machine.cdx.json"

name=lb-$version-$machine-linux
tar --create --owner=0 --group=0 --numeric-owner --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --transform "s#^\.#$name#" --directory "$root" . | gzip -n "$level" >"$out/$name.tar.gz"

# The packages of the libraries that the program names, glibc with the newest version that it asks for.
libraries() {
    local needed
    needed=$(objdump -T "$root/usr/bin/lb" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
    printf 'libc6 (>= %s)' "${needed#GLIBC_}"
    if objdump -p "$root/usr/bin/lb" | grep -q 'NEEDED.*libgcc_s'; then
        printf ', libgcc-s1'
    fi
}

if command -v dpkg-deb >/dev/null; then
    size=$(du -sk --apparent-size "$root" | cut -f 1)
    install -d "$root/DEBIAN"
    (cd "$root" && find etc usr -type f -exec md5sum {} + | sort -k 2 >DEBIAN/md5sums)
    install -m 755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$root/DEBIAN/"
    printf '%s\n' /etc/lb/lb.yaml /etc/logrotate.d/lb >"$root/DEBIAN/conffiles"
    cat >"$root/DEBIAN/control" <<CONTROL
Package: lb
Version: $version
Architecture: $debian
Maintainer: The authors of lb
Section: net
Priority: optional
Installed-Size: $size
Depends: $(libraries), init-system-helpers (>= 1.54~), passwd
Recommends: ca-certificates, logrotate
Description: HTTP load balancer on Pingora
 Spreads requests over backends, and retries on another one when a backend
 fails. Configuration and operation are described in lb(1).
CONTROL
    dpkg-deb --root-owner-group --build "$root" "$out/lb_${version}_$debian.deb" >/dev/null
fi

rm -rf "$root"
(
    cd "$out"
    sums=$(sha256sum -- *)
    echo "$sums" >"SHA256SUMS-$machine"
)
ls -l "$out"
