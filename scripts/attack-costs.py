#!/usr/bin/env python3
"""What an attacker can make a proxy cost: CPU for what is sent, memory for a connection, time until the
proxy ends it. Prints a table in Markdown for `lb` and, if they are installed, nginx and HAProxy, each with
one thread, without logs, and with its own limits (HAProxy with those of Debian's file, since it has none).

    cargo build --release
    scripts/attack-costs.py [--lb target/release/lb] [--quick]

It takes less than three minutes, or less than one with --quick, which leaves out the time until the end.
Everything happens on 127.0.0.1. CPU is that of the proxy's processes, user and system; memory is what
belongs to them alone (RssAnon), without the buffers that the kernel has for each socket.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HELD = 600
READERS = 60
TRICKLERS = 40
TRICKLED = 400
CHUNKS = 200_000
CHURNED = 3000
LARGE = 50 << 20
# Longer than any of the limits that are awaited.
PATIENCE = 80

# A process that uses less than this share of a core has nothing left to do.
QUIET = 0.01
MOMENT = 0.15


class Backend(threading.Thread):
    """Answers /large with 50 MB, /chunks in chunks of one byte, everything else with two bytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    piece = client.recv(65536)
                    if not piece:
                        return
                    data += piece
                head, _, data = data.partition(b"\r\n\r\n")
                data = self.skip_body(client, head.lower(), data)
                self.answer(client, head.split(b" ", 2)[1])
        except OSError:
            pass
        finally:
            client.close()

    @staticmethod
    def skip_body(client, head, data):
        if b"transfer-encoding: chunked" in head:
            while not data.endswith(b"0\r\n\r\n"):
                piece = client.recv(1 << 20)
                if not piece:
                    raise OSError
                data = data[-8:] + piece
            return b""
        length = re.search(rb"content-length: (\d+)", head)
        left = int(length.group(1)) - len(data) if length else 0
        while left > 0:
            piece = client.recv(65536)
            if not piece:
                raise OSError
            left -= len(piece)
        return b""

    @staticmethod
    def answer(client, path):
        if path == b"/large":
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            piece = bytes(1 << 16)
            for _ in range(LARGE >> 16):
                client.sendall(piece)
        elif path == b"/chunks":
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(CHUNKS // 1000):
                client.sendall(b"1\r\nx\r\n" * 1000)
            client.sendall(b"0\r\n\r\n")
        else:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Proxy:
    """One process, or one with its children, on a port of its own."""

    def __init__(self, name, version, command, port):
        self.name, self.version, self.command, self.port = name, version, command, port
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.connect().close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"{self.name} does not listen: {' '.join(self.command)}")
                time.sleep(0.05)

    def connect(self, receive=None):
        client = socket.socket()
        if receive:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.port))
        return client

    def pids(self):
        pids = [self.process.pid]
        with open(f"/proc/{pids[0]}/task/{pids[0]}/children") as children:
            return pids + [int(pid) for pid in children.read().split()]

    def cpu(self):
        """Seconds."""
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                # In nanoseconds; `stat` has hundredths of a second.
                with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
                    total += int(stat.read().split()[0])
        return total / 1e9

    def memory(self):
        """Bytes."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as status:
                total += int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)) * 1024
        return total

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def first_line(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.split("\n")[0]


def written(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def start_lb(program, folder, backend):
    port = free_port()
    text = f"""
listeners: [ {{ address: 127.0.0.1:{port} }} ]
routes: [ {{ pool: web }} ]
pools: {{ web: {{ health_check: off, backends: [ {{ address: 127.0.0.1:{backend} }} ] }} }}
access_log: off
threads: 1
"""
    config = written(folder, "lb.yaml", text)
    return Proxy("lb", first_line(program, "--version"), [program, "-c", config], port)


def start_nginx(folder, backend):
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        return None
    port = free_port()
    text = f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream web {{ server 127.0.0.1:{backend}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_max_temp_file_size 0;
    }}
  }}
}}
"""
    config = written(folder, "nginx.conf", text)
    version = first_line(program, "-v").replace("nginx version: nginx/", "nginx ")
    return Proxy("nginx", version, [program, "-c", config], port)


def start_haproxy(folder, backend):
    program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        return None
    port = free_port()
    text = f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
frontend web
  bind 127.0.0.1:{port}
  default_backend web
backend web
  server one 127.0.0.1:{backend}
"""
    config = written(folder, "haproxy.cfg", text)
    version = re.search(r"version (\S+)", first_line(program, "-v")).group(1).split("-")[0]
    return Proxy("HAProxy", f"HAProxy {version}", [program, "-db", "-f", config], port)


def head(path="/", method="GET", *fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: attack", *fields, "", ""]
    return "\r\n".join(lines).encode()


def read_answer(client):
    data = b""
    while not data.endswith(b"\r\n\r\nok"):
        piece = client.recv(65536)
        if not piece:
            break
        data += piece
    return data


def settle(proxy):
    """Waits until the proxy has done what there was to do."""
    before = float("-inf")
    while (now := proxy.cpu()) - before > QUIET * MOMENT:
        before = now
        time.sleep(MOMENT)
    return now


def partial_header(size):
    lines = [b"GET / HTTP/1.1\r\nHost: attack\r\n"]
    while sum(map(len, lines)) < size:
        lines.append(b"X-Field-%d: %s\r\n" % (len(lines), b"x" * 80))
    return b"".join(lines)


def trickled_header(proxy):
    """CPU for each byte that comes alone, behind 6 KB of a header."""
    clients = [proxy.connect() for _ in range(TRICKLERS)]
    for client in clients:
        client.sendall(partial_header(6000) + b"X-Last: ")
    before = settle(proxy)
    for _ in range(TRICKLED):
        for client in clients:
            client.sendall(b"x")
    cost = settle(proxy) - before
    for client in clients:
        client.close()
    return f"{cost * 1e6 / (TRICKLERS * TRICKLED):.1f} µs"


def held(begin, count=HELD, receive=None):
    """Memory for each of many connections that begin like this and then stay as they are."""

    def measure(proxy):
        # What it had to allocate before would hide what these need.
        proxy.stop()
        proxy.start()
        warm = [begin(proxy.connect(receive)) for _ in range(20)]
        settle(proxy)
        before = proxy.memory()
        clients = [begin(proxy.connect(receive)) for _ in range(count)]
        settle(proxy)
        cost = (proxy.memory() - before) / count
        for client in warm + clients:
            client.close()
        settle(proxy)
        return f"{cost / 1024:.1f} KB"

    return measure


def idle(client):
    client.sendall(head())
    read_answer(client)
    return client


def slow_header(client):
    client.sendall(partial_header(1000))
    return client


def slow_body(client):
    client.sendall(head("/", "POST", "Content-Length: 1000000"))
    for _ in range(3):
        client.sendall(b"x" * 100)
        time.sleep(0.002)
    return client


def slow_reader(client):
    client.sendall(head("/large"))
    return client


def chunks_up(proxy):
    """CPU for each chunk of one byte from a client."""
    client = proxy.connect()
    before = settle(proxy)
    client.sendall(head("/", "POST", "Transfer-Encoding: chunked"))
    for _ in range(CHUNKS // 1000):
        client.sendall(b"1\r\nx\r\n" * 1000)
    client.sendall(b"0\r\n\r\n")
    answer = read_answer(client)
    cost = settle(proxy) - before
    client.close()
    if not answer.endswith(b"ok"):
        return "refused"
    return f"{cost * 1e6 / CHUNKS:.2f} µs"


def chunks_down(proxy):
    """CPU for each chunk of one byte from a backend."""
    client = proxy.connect()
    before = settle(proxy)
    client.sendall(head("/chunks"))
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        piece = client.recv(1 << 20)
        if not piece:
            raise SystemExit("an answer has broken off")
        data = data[-8:] + piece
    cost = settle(proxy) - before
    client.close()
    return f"{cost * 1e6 / CHUNKS:.2f} µs"


def churn(proxy):
    """CPU for each connection with one request."""
    before = settle(proxy)
    for _ in range(CHURNED):
        client = proxy.connect()
        client.sendall(head("/", "GET", "Connection: close"))
        read_answer(client)
        client.close()
    return f"{(settle(proxy) - before) * 1e6 / CHURNED:.0f} µs"


COSTS = [
    ("a header that comes byte by byte: CPU for each byte", trickled_header),
    ("chunks of one byte from a client: CPU for each", chunks_up),
    ("chunks of one byte from a backend: CPU for each", chunks_down),
    ("a connection for each request: CPU for each", churn),
    ("a slow header (1 KB): memory", held(slow_header)),
    ("a slow body: memory", held(slow_body)),
    ("a slow reader of 50 MB: memory", held(slow_reader, READERS, 4096)),
    ("an idle connection: memory", held(idle)),
]


def byte_a_second(client):
    client.sendall(b"x")


def nothing(_):
    pass


# The name, how it begins, and what the client does each second.
ENDS = [
    ("a header, a byte a second: until it is cut off", slow_header, byte_a_second),
    ("a body, a byte a second: until it is cut off", slow_body, byte_a_second),
    ("a body that pauses: until it is cut off", slow_body, nothing),
    ("an idle connection: until it is closed", idle, nothing),
]


def is_ended(client):
    """Whether the other end has closed."""
    try:
        return client.recv(65536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def times_until_the_end(proxies):
    """All at once, since they are nothing but waiting. Seconds by name of the attack and of the proxy."""
    waiting, found = [], {}
    for proxy in proxies:
        for name, begin, each_second in ENDS:
            client = begin(proxy.connect())
            client.setblocking(False)
            waiting.append((name, proxy.name, client, each_second))
    began = time.monotonic()
    while waiting and time.monotonic() - began < PATIENCE:
        time.sleep(1)
        still = []
        for entry in waiting:
            name, proxy, client, each_second = entry
            try:
                each_second(client)
                ended = is_ended(client)
            except OSError:
                ended = True
            if ended:
                found[name, proxy] = f"{time.monotonic() - began:.0f} s"
                client.close()
            else:
                still.append(entry)
        waiting = still
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lb", default="target/release/lb")
    parser.add_argument("--only", default="", help="only the costs whose name has this")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    backend = Backend()
    backend.start()
    with tempfile.TemporaryDirectory() as folder:
        proxies = [
            start_lb(os.path.abspath(arguments.lb), folder, backend.port),
            start_nginx(folder, backend.port),
            start_haproxy(folder, backend.port),
        ]
        proxies = [proxy for proxy in proxies if proxy]
        try:
            print("| | " + " | ".join(proxy.version for proxy in proxies) + " |")
            print("|---|" + "---|" * len(proxies))
            for name, cost in [it for it in COSTS if arguments.only in it[0]]:
                print(f"| {name} | " + " | ".join(cost(proxy) for proxy in proxies) + " |", flush=True)
            ends = {} if arguments.quick else times_until_the_end(proxies)
            for name, _, _ in [] if arguments.quick else ENDS:
                cells = [ends.get((name, proxy.name), f"not in {PATIENCE} s") for proxy in proxies]
                print(f"| {name} | " + " | ".join(cells) + " |")
        finally:
            for proxy in proxies:
                proxy.stop()


if __name__ == "__main__":
    sys.exit(main())
