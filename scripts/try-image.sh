#!/usr/bin/env bash
# Tries an image as an operator would: its size, its user, its labels, a balancer in front of a backend, and the
# health check. The first thing that is wrong ends it, with exit code 1.
#
#     scripts/try-image.sh lb:0.1.0
set -euo pipefail
cd "$(dirname "$0")/.."

image=${1:?usage: scripts/try-image.sh IMAGE}
most=$((25 * 1000 * 1000))
containers=()
folder=$(mktemp -d)
end() {
    [ "${#containers[@]}" = 0 ] || docker rm --force "${containers[@]}" >/dev/null
    rm -rf "$folder"
}
trap end EXIT

# check WORDS COMMAND…: ends if the command fails.
check() {
    local words=$1
    shift
    if "$@" >/dev/null; then echo "ok    $words"; else
        echo "WRONG $words: $*" >&2
        [ "${#containers[@]}" = 0 ] || docker logs "${containers[-1]}" >&2
        exit 1
    fi
}

is_healthy() {
    local state
    for _ in $(seq 100); do
        state=$(docker inspect --format '{{.State.Health.Status}}' "${containers[-1]}")
        [ "$state" != healthy ] || return 0
        sleep 0.2
    done
    return 1
}

inspect() { docker inspect --format "$1" "$image"; }

size=$(inspect '{{.Size}}')
echo "      $size bytes"
check "it is smaller than 25 MB" test "$size" -lt "$most"
check "its user is not root" test "$(inspect '{{.Config.User}}')" = 65532:65532
check "it has labels" test "$(inspect '{{index .Config.Labels "org.opencontainers.image.licenses"}}')" = MIT
check "it says its version" docker run --rm "$image" --version
# One network namespace for both, so that loopback is enough.
containers+=("$(docker run --detach --network none "$image" backend --port 9001 --name a)")
cat >"$folder/lb.yaml" <<YAML
listeners: [{ address: 127.0.0.1:8080 }]
routes: [{ pool: web }]
pools: { web: { backends: [{ address: localhost:9001 }] } }
YAML
chmod 755 "$folder"
containers+=("$(docker run --detach --network "container:${containers[0]}" --read-only --cap-drop ALL \
    --volume "$folder:/etc/lb:ro" "$image")")
check "the health check passes" is_healthy
check "it ends in peace" docker stop --time 10 "${containers[-1]}"
check "its exit code is 0" test "$(docker inspect --format '{{.State.ExitCode}}' "${containers[-1]}")" = 0
