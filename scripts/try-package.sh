#!/usr/bin/env bash
# Tries a Debian package as a newcomer and an operator would: it is installed in a minimal Debian under a
# systemd of its own, gets backends, a mistake, a reload, a backend that dies and a newer package while
# requests run, and is removed and purged. The first thing that is wrong ends it, with exit code 1.
#
#     sudo scripts/try-package.sh target/dist/lb_0.1.0_amd64.deb [NEWER.deb]
#
# Without NEWER the same package with a higher version and another default file takes its place. Needs root,
# debootstrap, which fetches Debian once into target/debian, and a kernel with cgroup2 and overlayfs. The
# system is a set of namespaces over a folder in memory: it has no network, touches nothing outside, and ends
# with the script.
# shellcheck disable=SC2016 # much of what stands in single quotes is expanded by a shell in that system
set -euo pipefail
cd "$(dirname "$0")/.."

package=$(realpath "${1:?usage: scripts/try-package.sh PACKAGE.deb [NEWER.deb]}")
newer=${2:+$(realpath "$2")}
debian=${LB_DEBIAN_ROOT:-$PWD/target/debian}
[ "$(id -u)" -eq 0 ] || { echo "try-package.sh needs root, for namespaces and mounts" >&2; exit 1; }

work=$(mktemp -d)
init=
cgroup=$(findmnt --noheadings --first-only --output TARGET --types cgroup2)/lb-try-$$
end() {
    [ -z "$init" ] || kill -KILL "$init" 2>/dev/null || true
    wait 2>/dev/null || true
    find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

if [ ! -e "$debian/usr/bin/curl" ]; then
    echo "== debootstrap, once, into $debian"
    debootstrap --variant=minbase --include=systemd-sysv,procps,curl,logrotate,man-db \
        bookworm "$debian" http://deb.debian.org/debian >"$work/debootstrap.log" 2>&1 ||
        { tail "$work/debootstrap.log" >&2; exit 1; }
fi
if [ -z "$newer" ]; then
    dpkg-deb --raw-extract "$package" "$work/newer"
    sed -i 's/^Version: .*/&+newer/' "$work/newer/DEBIAN/control"
    echo "# Another default file." >>"$work/newer/etc/lb/lb.yaml"
    newer=$work/newer.deb
    dpkg-deb -Zgzip -z1 --root-owner-group --build "$work/newer" "$newer" >/dev/null
fi

# Starts systemd as process 1 of namespaces of its own; `init` is its number outside.
boot() {
    mkdir "$work/root" "$work/change" "$cgroup"
    cat >"$work/boot" <<'BOOT'
set -eu
root=$1 change=$2 debian=$3
mount --make-rprivate /
mount -t tmpfs tmpfs "$change"
mkdir "$change/upper" "$change/work"
mount -t overlay -o "lowerdir=$debian,upperdir=$change/upper,workdir=$change/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ip link set lo up
# debootstrap makes none, and not every version of curl knows the name without.
[ -e "$root/etc/hosts" ] || echo "127.0.0.1 localhost" >"$root/etc/hosts"
mkdir -p "$root/outside"
cd "$root"
pivot_root . outside
umount -l /outside
rmdir /outside
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
BOOT
    (
        echo 0 >"$cgroup/cgroup.procs"
        exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child \
            bash "$work/boot" "$work/root" "$work/change" "$debian" </dev/null >"$work/console" 2>&1
    ) &
    local outer=$! state
    for _ in $(seq 100); do
        init=$(pgrep --parent "$outer" || true)
        # Its exit code is not 0 where a unit of that Debian has failed.
        state=$([ -z "$init" ] || inside systemctl is-system-running 2>/dev/null || true)
        case $state in running | degraded) return ;; esac
        sleep 0.2
    done
    cat "$work/console" >&2
    echo "systemd does not start" >&2
    exit 1
}

# Runs a command in that system.
inside() {
    nsenter --target "$init" --all --root --wd \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# Puts a file into that system.
put() {
    inside sh -c "cat >$1"
}

# check WORDS COMMAND…: says whether the command succeeds there, and ends if it does not.
check() {
    local words=$1
    shift
    if inside "$@" >"$work/output" 2>&1; then
        echo "ok    $words"
    else
        echo "WRONG $words: $*" >&2
        sed 's/^/    /' "$work/output" >&2
        inside journalctl --unit lb --lines 20 --no-pager >&2 || true
        exit 1
    fi
}

# The same, tried again for 20 seconds.
check_soon() {
    local words=$1
    shift
    for _ in $(seq 100); do
        if inside "$@" >/dev/null 2>&1; then break; fi
        sleep 0.2
    done
    check "$words" "$@"
}

files() {
    inside find / -xdev \( -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /var/log -o -path /var/cache \) \
        -prune -o -print | grep -v -e '^/etc/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-*$' \
        -e '^/etc/\.pwd\.lock$' -e '^/var/lib/logrotate/' | sort
}

configure() {
    put /etc/lb/lb.yaml <<YAML
listeners:
  - address: 0.0.0.0:8080
routes:
  - pool: $1
  - { path: /slow, pool: slow }
pools:
  web:
    $2:
      - address: 127.0.0.1:9001
      - address: 127.0.0.1:9002
    health_check: { interval: 500ms, timeout: 400ms }
  slow:
    backends: [{ address: 127.0.0.1:9003 }]
    health_check: off # its backend answers too slowly for one
admin: { address: 127.0.0.1:9900 }
access_log: { path: /var/log/lb/access.log }
YAML
}

boot
files >"$work/before"
for deb in "$package" "$newer"; do
    inside sh -c "cat >/srv/${deb##*/}" <"$deb"
done

echo "== install"
check "the package is installed" dpkg --install "/srv/${package##*/}"
check "the service runs" systemctl is-active lb
check "it starts at boot" systemctl is-enabled lb
check "it runs as its own user" sh -c 'test "$(ps -o user= -p "$(systemctl show -p MainPID --value lb)")" = lb'
check "the unit is right" systemd-analyze verify lb.service
check "files are as they were packed" dpkg --verify lb
check "the file is the operator's" sh -c 'dpkg-query --status lb | grep -x " /etc/lb/lb.yaml [0-9a-f]*"'
check "the program says what it was built from" sh -c 'lb --version | grep -E "^commit +[0-9a-f]{7}"'
check "lb -t finds its file" lb -t
check "lb -t works as the user of the service" runuser -u lb -- lb -t
check "there is a manual" man --path lb
check "completions are for bash" bash -n /usr/share/bash-completion/completions/lb
check "rotation of logs is set up" logrotate --debug /etc/logrotate.d/lb
check "a first page says what to do next" sh -c 'curl -s http://localhost:8080/ | grep /etc/lb/lb.yaml'
check "the status page answers" sh -c 'curl -sf http://localhost:9900/ | grep -i "<title>"'

echo "== backends of one's own, and a mistake"
for one in "a 9001 0s" "b 9002 0s" "slow 9003 3s"; do
    read -r name port delay <<<"$one"
    check "backend $name starts" systemd-run --quiet --unit "backend-$name" \
        lb backend --port "$port" --name "$name" --delay "$delay"
done
before=$(inside systemctl show -p MainPID --value lb)
configure web backend
check "a mistake is found" sh -c 'lb -t 2>&1 | grep "did you mean \"backends\""'
check "a reload with it fails" sh -c '! systemctl reload lb'
check "the journal says why" sh -c 'journalctl -u lb | grep "did you mean"'
check "the service goes on" systemctl is-active lb
configure web backends
check "the mended file is taken" systemctl reload lb
check_soon "both backends answer" sh -c \
    'for i in 1 2 3 4; do curl -sf http://localhost:8080/ | head -1; done | sort -u | wc -l | grep -x 2'

echo "== while requests run"
put /srv/load <<'LOAD'
while [ ! -e /tmp/enough ]; do
    curl -s -o /dev/null -w '%{http_code}\n' "http://localhost:8080/[1-10]" || true
done
LOAD
check "requests run, several at once" sh -c \
    'for i in 1 2 3; do systemd-run --quiet --unit "load-$i" -p StandardOutput="append:/srv/load-$i.out" sh /srv/load; done'
check_soon "they are answered" sh -c 'test "$(cat /srv/load-*.out | grep -cx 200)" -gt 100'
check "a backend is killed" systemctl kill --signal=KILL backend-b
check_soon "it is out" sh -c 'lb status | grep 127.0.0.1:9002 | grep -e ejected -e unhealthy'
check "it comes back" systemd-run --quiet --unit backend-b2 lb backend --port 9002 --name b
check_soon "it gets requests again" sh -c 'lb status | grep 127.0.0.1:9002 | grep eligible'
inside sed -i 's/- address: 127.0.0.1:9001/- address: 127.0.0.1:9001\n        weight: 3/' /etc/lb/lb.yaml
check "a change is reloaded" systemctl reload lb
check "it is in force" sh -c 'lb reload --dry-run | grep "change nothing"'
inside systemd-run --quiet --unit slow sh -c 'curl -s -o /dev/null -w "%{http_code}\n" http://localhost:8080/slow >/srv/slow.out'
second=$(inside systemctl show -p MainPID --value lb)
check "a newer package is installed" dpkg --force-confdef --force-confold --install "/srv/${newer##*/}"
check_soon "another process serves" sh -c "! systemctl show -p MainPID --value lb | grep -qx -e $before -e $second"
check "systemd did not restart it" sh -c 'systemctl show -p NRestarts --value lb | grep -x 0'
check "the operator's file is kept" grep -q 'weight: 3' /etc/lb/lb.yaml
check_soon "a request of three seconds is answered by the old process" grep -qx 200 /srv/slow.out
check "logs are rotated" logrotate --force /etc/logrotate.d/lb
check_soon "the new file of the log has lines" test -s /var/log/lb/access.log
inside touch /tmp/enough
check_soon "the requests end" sh -c '! systemctl is-active load-1 load-2 load-3'
check "not one request was lost" sh -c 'test "$(cat /srv/load-*.out | grep -cvx 200)" = 0'
echo "      $(inside sh -c 'cat /srv/load-*.out | wc -l') requests"

echo "== remove, install again, purge"
check "the package is removed" dpkg --remove lb
check "its port is closed" sh -c '! curl -s http://localhost:8080/'
check "the operator's file stays" grep -q 'weight: 3' /etc/lb/lb.yaml
check "it is installed again" dpkg --force-confdef --force-confold --install "/srv/${newer##*/}"
check "it serves again" sh -c 'curl -sf http://localhost:8080/'
inside systemctl disable --quiet --now lb
check "an upgrade leaves a service alone that the operator has disabled" sh -c \
    "dpkg --force-confold --install '/srv/${package##*/}' --force-downgrade; ! systemctl is-active lb && ! systemctl is-enabled lb"
check "the package is purged" dpkg --purge lb
inside sh -c 'rm -f /srv/*'
files >"$work/after"
if ! diff "$work/before" "$work/after"; then
    echo "WRONG these files are left" >&2
    exit 1
fi
check "nothing of it is left" sh -c '! ls -d /var/log/lb /var/lib/lb /etc/lb 2>/dev/null'
