#!/bin/sh
# Installs the tools that a build needs beyond the Rust toolchain: a C compiler, and cmake and make
# for zlib-ng, which Pingora links. With the argument `test`, also those of the tests: a browser for
# the status page, clients of TLS and of HTTP/2, Prometheus for the metrics, Pebble, an authority for
# certificates, and, in target/python, modules of Python: for a collector of traces, and clients of HTTP/2,
# HTTP/3 and gRPC. Prints each step; does and prints nothing if nothing is missing.
set -eu

stop() {
    echo "$1" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

has cargo || stop "cargo is missing: install Rust as https://rustup.rs says, then open a new shell."

# cmake writes Makefiles, and a compiler without the headers of the C library cannot link: if one
# tool is missing, all are installed.
missing= lacks_tools= lacks_browser= lacks_prometheus= clients=
for tool in cc cmake make; do
    has "$tool" || lacks_tools=yes missing="${missing:+$missing, }$tool"
done
# The same names as in tests/it/support/browser.rs.
has_browser() {
    has chromium || has chromium-browser || has google-chrome-stable || has google-chrome
}
if [ "${1:-}" = test ] && ! has_browser; then
    lacks_browser=yes missing="${missing:+$missing, }chromium"
fi
# Clients that speak TLS, for the tests of it.
for tool in openssl curl; do
    [ "${1:-}" != test ] || has "$tool" || clients="$clients $tool" missing="${missing:+$missing, }$tool"
done
# A client of HTTP/2, and one that puts load on a server.
if [ "${1:-}" = test ] && ! { has nghttp && has h2load; }; then
    missing="${missing:+$missing, }nghttp and h2load"
    if has apt-get; then clients="$clients nghttp2-client"; else clients="$clients nghttp2"; fi
fi
# No package manager but Debian's has it.
if [ "${1:-}" = test ] && ! has pebble && has apt-get; then
    clients="$clients pebble" missing="${missing:+$missing, }pebble"
fi
if [ "${1:-}" = test ] && ! { has prometheus && has promtool; }; then
    lacks_prometheus=yes missing="${missing:+$missing, }prometheus"
fi
# What the tests run in Python, in an environment of their own beside the build.
python="$(dirname "$0")/../target/python"
modules="grpcio opentelemetry-proto h2 httpx aioquic curl_cffi"
has_modules() {
    "$python/bin/python" -c 'import grpc, opentelemetry.proto.collector.trace.v1, h2, httpx, aioquic, curl_cffi' \
        >/dev/null 2>&1
}
# An environment whose Python is gone, or that lacks pip, is made again; modules that are there stay.
has_environment() {
    "$python/bin/python" -m pip --version >/dev/null 2>&1
}
install_modules() {
    [ "${1:-}" = test ] || return 0
    ! has_modules || return 0
    echo "The tests need $modules. Installing them into target/python." >&2
    # shellcheck disable=SC2086 # these are several
    {
        { has_environment || python3 -m venv --clear "$python"; } &&
            "$python/bin/python" -m pip install --quiet $modules
    } >&2 ||
        stop "Could not install $modules: put them into target/python (python3 -m venv) by hand, then try again."
}
if [ "${1:-}" = test ] && ! has_modules && ! python3 -c 'import ensurepip' >/dev/null 2>&1; then
    missing="${missing:+$missing, }python3 with venv"
    if has apt-get; then clients="$clients python3-venv"; else clients="$clients python3"; fi
fi
if [ -z "$missing" ]; then
    install_modules "$@"
    exit 0
fi

# Set if packages are installed for the user and not for the system.
is_own=
if has apt-get; then
    install="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
    packages="cmake gcc libc6-dev make"
    refresh="apt-get update"
    prometheus=
elif has dnf; then
    install="dnf install -y" packages="cmake gcc glibc-devel make" refresh=
    prometheus="/usr/bin/prometheus /usr/bin/promtool"
elif has apk; then
    install="apk add" packages="cmake gcc musl-dev make" refresh=
    prometheus=prometheus
elif has brew && has cc; then
    install="brew install" packages="cmake" refresh=
    prometheus=prometheus
    is_own=yes
elif has xcode-select && ! has cc; then
    stop "The build needs $missing: run xcode-select --install, then try again."
else
    stop "The build needs $missing, and this script knows no package manager here: install by hand."
fi
[ -n "$lacks_tools" ] || packages=
# The package has this name in every package manager.
[ -z "$lacks_browser" ] || packages="${packages:+$packages }chromium"
packages="$packages$clients"
# If the package would also start a service at every boot, only its programs are installed.
unpacked=
if [ -n "$lacks_prometheus" ]; then
    packages="$packages${prometheus:+ $prometheus}"
    [ -n "$prometheus" ] || unpacked=prometheus
fi

as_root=
if [ "$(id -u)" -ne 0 ] && [ -z "$is_own" ]; then
    has sudo || stop "The build needs $missing: as root, run: ${refresh:+$refresh && }${install#env * } $packages${unpacked:+ $unpacked}"
    as_root=sudo
fi

unpack_prometheus() {
    (
        folder=$(mktemp -d)
        trap 'rm -rf "$folder"' EXIT
        cd "$folder" &&
            apt-get download prometheus &&
            dpkg-deb --extract prometheus_*.deb . &&
            $as_root install -m 755 usr/bin/prometheus usr/bin/promtool /usr/local/bin/
    )
}

echo "The build needs $missing. Installing it." >&2
# shellcheck disable=SC2086 # these are commands with their arguments
{
    { [ -z "$refresh" ] || $as_root $refresh || true; } &&
        { [ -z "$packages" ] || $as_root $install $packages; } &&
        { [ -z "$unpacked" ] || unpack_prometheus; }
} >&2 || stop "Could not install $missing: do it by hand, then try again."
install_modules "$@"
