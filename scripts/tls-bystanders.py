#!/usr/bin/env python3
"""What a client of `lb` notices of others who burden its TLS: the latency of its requests, and the memory.

A bystander sends requests over one kept connection with TLS, a hundred a second. Phases of a few seconds
without and with a burden alternate, so that whatever else the machine does falls on both alike. Printed are,
for both kinds of phase, the bystander's 50th and 99th percentile in milliseconds, each in the phase where it
was least, because others only add to it; the ratio of the latter; how often the burden acts in a second; and
by how much the memory of the process grew.

    scripts/tls-bystanders.py target/release/lb [ROUNDS] [SECONDS] [BURDEN]

BURDEN is a part of the name of those that are wanted. What burdens is a process of its own, so that it takes
no turn from the bystander.

Needs openssl for the certificates. All connections are to 127.0.0.1.
"""

import multiprocessing
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROUNDS, SECONDS = 5, 3.0
PACE = 0.01
KEYS = {
    "p256.example": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa2048.example": ["rsa:2048"],
    "rsa4096.example": ["rsa:4096"],
}
HELLO = bytes([0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]) + bytes(90)


def make_certificates(folder):
    for name, kind in KEYS.items():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "30", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name}", "-keyout", f"{folder}/{name}.key",
             "-out", f"{folder}/{name}.pem"],
            check=True, stderr=subprocess.DEVNULL)


def listening(log, count):
    while True:
        lines = [line for line in open(log) if "listening" in line]
        if len(lines) >= count:
            return [int(line.rsplit(":", 1)[1].split()[0].strip('"},')) for line in lines]
        time.sleep(0.05)


def start(program, folder):
    make_certificates(folder)
    taken = socket.create_server(("127.0.0.1", 0))
    backend_port = taken.getsockname()[1]
    taken.close()
    backend = subprocess.Popen([program, "backend", "--port", str(backend_port)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    pairs = ", ".join(f"{{ cert: {name}.pem, key: {name}.key }}" for name in KEYS)
    with open(f"{folder}/lb.yaml", "w") as file:
        file.write(
            f"listeners: [ {{ address: 127.0.0.1:0, tls: {{ certificates: [ {pairs} ] }} }} ]\n"
            "routes: [ { pool: web } ]\n"
            f"pools: {{ web: {{ health_check: off, backends: [ {{ address: 127.0.0.1:{backend_port} }} ] }} }}\n"
            "access_log: off\nadmin: { address: 127.0.0.1:0 }\n")
    log = f"{folder}/log"
    lb = subprocess.Popen([program, "-c", "lb.yaml"], cwd=folder, stderr=open(log, "w"))
    port, admin = listening(log, 2)
    return [lb, backend], port, admin


def client_context(resumes=False):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if resumes else ssl.TLSVersion.TLSv1_2
    return context


class Bystander:
    def __init__(self, port):
        raw = socket.create_connection(("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = client_context().wrap_socket(raw, server_hostname="p256.example")

    def ask(self):
        began = time.monotonic()
        self.stream.sendall(b"HEAD / HTTP/1.1\r\nHost: p256.example\r\n\r\n")
        answer = self.stream.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:80]
        return (time.monotonic() - began) * 1000

    def phase(self, seconds):
        times, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            times.append(self.ask())
            time.sleep(PACE)
        times.sort()
        return times[len(times) // 2], times[int(len(times) * 0.99)]


class Burden:
    """A process that calls `act` until it is ended, `rate` times a second, or as often as it can."""

    def __init__(self, act, rate=None):
        self.act, self.rate = act, rate
        self.count = multiprocessing.Value("q", 0)
        self.process = multiprocessing.Process(target=self.run, daemon=True)
        self.process.start()

    def run(self):
        due = time.monotonic()
        while True:
            try:
                self.act()
                self.count.value += 1
            except OSError:
                pass
            if self.rate:
                due = max(due + 1 / self.rate, time.monotonic() - 0.1)
                time.sleep(max(0, due - time.monotonic()))

    def end(self):
        self.process.kill()
        self.process.join()
        return self.count.value


def handshakes(port, name):
    context = client_context()

    def act():
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            context.wrap_socket(raw, server_hostname=name).close()
    return act


def sent(port, data, wait=0.0):
    def act():
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            raw.sendall(data)
            time.sleep(wait)
    return act


class Held:
    """A thousand connections with a part of a handshake, which are opened again as they end."""

    def __init__(self, port, trickles):
        self.port, self.trickles, self.held, self.at = port, trickles, [], 0

    def __call__(self):
        while len(self.held) < 1000:
            raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
            raw.setblocking(False)
            raw.send(HELLO[: 5 + len(self.held) % 90])
            self.held.append(raw)
        if self.trickles:
            self.held = [raw for raw in self.held if self.lives(raw)]
        time.sleep(1)

    @staticmethod
    def lives(raw):
        try:
            raw.send(b"\x00")
            return True
        except OSError:
            raw.close()
            return False


def memory(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def main():
    program = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else SECONDS
    folder = tempfile.mkdtemp()
    processes, port, _admin = start(program, folder)
    oversized = b"\x16\x03\x01\x40\x00\x01\xff\xff\xff\x03\x03" + bytes(0x4000 - 6)
    burdens = {
        "20 handshakes/s, P-256": lambda: Burden(handshakes(port, "p256.example"), 20),
        "20 handshakes/s, RSA-2048": lambda: Burden(handshakes(port, "rsa2048.example"), 20),
        "20 handshakes/s, RSA-4096": lambda: Burden(handshakes(port, "rsa4096.example"), 20),
        "1,000 half handshakes": lambda: Burden(Held(port, False)),
        "1,000 that go on by a byte a second": lambda: Burden(Held(port, True)),
        "garbage, 100/s": lambda: Burden(sent(port, os.urandom(1000)), 100),
        "oversized ClientHello, 100/s": lambda: Burden(sent(port, oversized * 4), 100),
    }
    try:
        bystander = Bystander(port)
        bystander.phase(1)
        print(f"{'burden':38} {'p50':>6} {'with':>6} {'p99':>6} {'with':>6} {'ratio':>6} {'/s':>6} {'MiB':>6}")
        wanted = sys.argv[4] if len(sys.argv) > 4 else ""
        for name, begin in burdens.items():
            if wanted not in name:
                continue
            quiet, burdened, count, before = [], [], 0, memory(processes[0].pid)
            peak = before
            for _ in range(rounds):
                quiet.append(bystander.phase(seconds))
                burden = begin()
                # What it opens at first is not the burden.
                time.sleep(0.5)
                burdened.append(bystander.phase(seconds))
                peak = max(peak, memory(processes[0].pid))
                count += burden.end()
            least = lambda phases, place: min(phase[place] for phase in phases)
            ratio = least(burdened, 1) / least(quiet, 1)
            print(f"{name:38} {least(quiet, 0):6.2f} {least(burdened, 0):6.2f} {least(quiet, 1):6.2f} "
                  f"{least(burdened, 1):6.2f} {ratio:6.2f} {count / rounds / seconds:6.0f} "
                  f"{(peak - before) / 1024:6.1f}", flush=True)
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    main()
