#!/bin/sh
# Installs what a build needs beyond the Rust toolchain: a C compiler, and cmake and make for
# zlib-ng, which Pingora links. With the argument `test`, also what the tests need: a browser, for
# the status page. Says what it does; does and says nothing when nothing is missing.
set -eu

stop() {
    echo "$1" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

has cargo || stop "cargo is missing: install Rust as https://rustup.rs says, then open a new shell."

# cmake writes Makefiles, and a compiler without the headers of the C library links nothing: where
# one is missing, all are asked for.
missing= lacks_tools= lacks_browser=
for tool in cc cmake make; do
    has "$tool" || lacks_tools=yes missing="${missing:+$missing, }$tool"
done
# As tests/it/support/browser.rs looks for it.
has_browser() {
    has chromium || has chromium-browser || has google-chrome-stable || has google-chrome
}
if [ "${1:-}" = test ] && ! has_browser; then
    lacks_browser=yes missing="${missing:+$missing, }chromium"
fi
[ -n "$missing" ] || exit 0

# Whether the packages are the user's own, and not the system's.
is_own=
if has apt-get; then
    install="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
    packages="cmake gcc libc6-dev make"
    refresh="apt-get update"
elif has dnf; then
    install="dnf install -y" packages="cmake gcc glibc-devel make" refresh=
elif has apk; then
    install="apk add" packages="cmake gcc musl-dev make" refresh=
elif has brew && has cc; then
    install="brew install" packages="cmake" refresh=
    is_own=yes
elif has xcode-select && ! has cc; then
    stop "The build needs $missing: run xcode-select --install, then try again."
else
    stop "The build needs $missing, and this script knows no package manager here: install by hand."
fi
# Every package manager calls it so.
[ -n "$lacks_tools" ] || packages=
[ -z "$lacks_browser" ] || packages="${packages:+$packages }chromium"

as_root=
if [ "$(id -u)" -ne 0 ] && [ -z "$is_own" ]; then
    has sudo || stop "The build needs $missing: as root, run: ${refresh:+$refresh && }${install#env * } $packages"
    as_root=sudo
fi

echo "The build needs $missing. Installing: $packages" >&2
# shellcheck disable=SC2086 # commands with their arguments
{
    [ -z "$refresh" ] || $as_root $refresh
    $as_root $install $packages
} >&2 || stop "Could not install $packages: do it by hand, then try again."
