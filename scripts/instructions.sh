#!/bin/bash
# Prints what one small request on a kept connection costs `lb`: user-space instructions, counted by
# callgrind. A count does not depend on the machine's load, so that a difference of one percent
# between two commits is visible where a stopwatch shows noise.
#
# The program serves N requests in one run and 2N in another; the difference is what N requests
# cost, without the start and the end of the process. One thread, one connection, one backend,
# an access log to a file, no health checks.
#
# Long copies count by vectors, not by bytes: the C library would copy blocks of more than 4 KiB with
# one instruction that repeats itself, of which callgrind counts every repetition.
#
# Needs valgrind and curl; strace for --system-calls.
set -euo pipefail
export LC_ALL=C GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: scripts/instructions.sh [OPTION]... [PROGRAM]

Measures PROGRAM, a built `lb`; without one, builds it with the profile `bench`.

  --functions [N]   the N functions that cost the most by themselves, and with what they call [30]
  --system-calls    system calls per request instead of instructions
  --memory          resident bytes of a connection that waits for its next request, instead
  --bare            PROGRAM is the bare proxy of `cargo bench --bench bare`
  --requests N      N requests in the first run, twice as many in the second [500]
  --config LINES    more lines of the configuration, such as 'tracing: { sample: 1% }'
END
}

what=instructions functions= bare= requests=500 program= config=
while [ $# -gt 0 ]; do
    case $1 in
        --functions)
            functions=30
            if [[ ${2:-} =~ ^[0-9]+$ ]]; then functions=$2; shift; fi ;;
        --system-calls) what=calls ;;
        --memory) what=memory ;;
        --bare) bare=yes ;;
        --requests) requests=$2; shift ;;
        --config) config=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) program=$(realpath "$1") ;;
    esac
    shift
done

# The path of what cargo builds, from its messages: a bench's file name ends in a number.
built() {
    cargo build --locked --profile bench --message-format=json "$1" "$2" |
        sed -n 's/.*"target":{[^}]*"name":"'"$2"'".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}
lb=$program
if [ -z "$program" ] || [ -n "$bare" ]; then lb=$(built --bin lb); fi
if [ -z "$program" ]; then
    program=$lb
    if [ -n "$bare" ]; then program=$(built --bench bare); fi
fi

folder=$(mktemp -d)
processes=()
end() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap end EXIT

free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

answers() {
    curl --silent --fail --output /dev/null "http://127.0.0.1:$1/"
}

wait_until() {
    for _ in $(seq 600); do
        if "$@"; then return; fi
        sleep 0.1
    done
    echo "gave up waiting for: $*" >&2
    cat "$folder"/*.err >&2
    exit 1
}

backend=$(free_port)
"$lb" backend --port "$backend" >/dev/null 2>"$folder/backend.err" &
processes+=($!)
wait_until answers "$backend"

# Starts the program under the tool that the arguments name. Sets `process` and `port`.
start() {
    port=$(free_port)
    if [ -n "$bare" ]; then
        # It ends with its standard input.
        mkfifo "$folder/input.$port"
        sleep infinity >"$folder/input.$port" &
        processes+=($!)
        "$@" "$program" bare --port "$port" --backends "127.0.0.1:$backend" \
            <"$folder/input.$port" >"$folder/out" 2>"$folder/program.err" &
    else
        cat >"$folder/lb.yaml" <<END
listeners: [ { address: "127.0.0.1:$port" } ]
routes: [ { pool: web } ]
pools:
  web:
    backends: [ { address: "127.0.0.1:$backend" } ]
    health_check: off
access_log: { path: $folder/access.log }
threads: 1
$config
END
        "$@" "$program" --conf "$folder/lb.yaml" >"$folder/out" 2>"$folder/program.err" &
    fi
    process=$!
    processes+=("$process")
    wait_until answers "$port"
}

# Ends it and waits for what the tool writes. An interrupt ends the bare proxy without a grace period.
finish() {
    local whom=$process
    # strace has a child that it traces, and passes no signals on to it.
    if [ "$what" = calls ]; then whom=$(cat "/proc/$process/task/$process/children"); fi
    # shellcheck disable=SC2086 # one number and a blank
    kill -INT $whom
    wait "$process" || true
}

send() {
    curl --silent --fail --output /dev/null "http://127.0.0.1:$port/[1-$1]"
}

# `count name` for each function or system call of one run, into a file.
run() {
    local count=$1 to=$2
    case $what in
        instructions)
            start valgrind --tool=callgrind --callgrind-out-file="$to.callgrind" ;;
        calls)
            start strace -f -c -o "$to.strace" ;;
    esac
    send "$count"
    finish
    case $what in
        instructions)
            sed -n 's/^totals: \([0-9]*\).*/\1 total/p; s/^summary: \([0-9]*\).*/\1 total/p' \
                "$to.callgrind" | tail -n 1 >"$to"
            if [ -n "$functions" ]; then
                for inclusive in no yes; do
                    callgrind_annotate --inclusive=$inclusive --threshold=100 --show-percs=no \
                        "$to.callgrind" 2>/dev/null | sed -n 's/^ *\([0-9,]*\) *[^ :]*:\(.*\)/\1 \2/p' |
                        sed 's/^\([0-9]*\),/\1/; :again; s/^\([0-9]*\),/\1/; t again; s/ \[[^]]*\]$//' \
                        >"$to.$inclusive"
                done
            fi ;;
        calls)
            awk '$1 ~ /^[0-9.]+$/ && $NF != "total" { print $4, $NF }' "$to.strace" >"$to" ;;
    esac
}

# What the second file has more than the first, for each request, largest first. A function has a
# line for each source file that was inlined into it. Its own cost is their sum; with what it calls,
# for which a third argument asks, it is the largest of them.
difference() {
    awk -v requests="$requests" '
        function add(before, count) { return largest && before > count ? before : largest ? count : before + count }
        { count = $1; sub(/^[^ ]* /, "") }
        FNR == NR { first[$0] = add(first[$0], count); next }
        { second[$0] = add(second[$0], count) }
        END {
            for (name in second) printf "%.1f\t%s\n", (second[name] - first[name]) / requests, name
        }
    ' largest="${3:-}" "$1" "$2" | sort -rn | awk '$1 >= 0.05'
}

resident() {
    awk '$1 == "VmRSS:" { print $2 * 1024 }' "/proc/$process/status"
}

# Opens this many connections, and has each of them answered once.
connect() {
    local line
    for _ in $(seq "$1"); do
        exec {connection}<>"/dev/tcp/127.0.0.1/$port"
        printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' >&"$connection"
        read -r line <&"$connection"
        case $line in "HTTP/1.1 200"*) ;; *) echo "answered: $line" >&2; exit 1 ;; esac
    done
}

if [ "$what" = memory ]; then
    ulimit -n 16384
    start
    connect 1000
    before=$(resident)
    connect 6000
    sleep 1
    echo "$((($(resident) - before) / 6000)) bytes resident per idle connection"
    exit 0
fi

run "$requests" "$folder/one"
run "$((2 * requests))" "$folder/two"
if [ "$what" = calls ]; then
    echo "system calls per request:"
    difference "$folder/one" "$folder/two"
    exit 0
fi
echo "$(difference "$folder/one" "$folder/two" | cut -f 1) instructions per request"
for inclusive in no yes; do
    if [ -z "$functions" ]; then break; fi
    if [ $inclusive = no ]; then echo; echo "by themselves:"; else echo; echo "with what they call:"; fi
    difference "$folder/one.$inclusive" "$folder/two.$inclusive" "${inclusive#no}" | awk -v most="$functions" 'NR <= most'
done
