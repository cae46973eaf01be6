"""What measurements of floods have in common: backends, lb, memory, reasons of cuts, the table.

A module has floods by name and two functions: one attacks for some seconds, one is the client beside it.
Everything happens on 127.0.0.1.
"""

import argparse
import asyncio
import multiprocessing
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request


async def answer(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"/hang" in head.split(b"\r\n")[0] or b"chunked" in head:
                await reader.read(-1)
                return
            if b"/large" in head.split(b"\r\n")[0]:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 << 20))
                for _ in range(8 << 4):
                    writer.write(bytes(1 << 16))
                    await writer.drain()
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


def backend(listening):
    async def run():
        server = await asyncio.start_server(answer, sock=listening)
        await server.serve_forever()

    asyncio.run(run())


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def prefixed(value, bits, first):
    """An integer with a prefix of some bits in the byte `first` (RFC 7541 section 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


class Balancer:
    """A process of lb with one listener, whose other keys are `listener`."""

    def __init__(self, program, folder, listener, ports):
        self.port, self.admin = free_port(), free_port()
        path = os.path.join(folder, "lb.yaml")
        with open(path, "w") as file:
            file.write(
                f"listeners: [ {{ address: 127.0.0.1:{self.port}, {listener} }} ]\n"
                f"admin: {{ address: 127.0.0.1:{self.admin} }}\n"
                "routes: [ { path: /own, pool: own }, { pool: web } ]\npools:\n"
                f"  web: {{ health_check: off, backends: [ {{ address: 127.0.0.1:{ports[0]} }} ] }}\n"
                f"  own: {{ health_check: off, backends: [ {{ address: 127.0.0.1:{ports[1]} }} ] }}\n"
                "access_log: off\nthreads: 1\n"
            )
        self.process = subprocess.Popen(
            [program, "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit("lb does not listen")
                time.sleep(0.05)

    def memory(self):
        """MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)) / 1024

    def count(self, name):
        """The values of a metric by the label behind the listener, without zeros."""
        found = urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5).read().decode()
        rows = re.findall(rf'^lb_listener_{name}\{{listener="[^"]*"(?:,\w+="(\w+)")?\}} (\d+)', found, re.M)
        return {reason: int(count) for reason, count in rows if count != "0"}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Opened:
    """The connections of attackers, until the end; `most` limits their number."""

    def __init__(self, end, most):
        self.end, self.most, self.count = end, most, multiprocessing.Value("i", 0)

    def another(self):
        """Whether one more may be opened, which is counted."""
        with self.count.get_lock():
            if time.monotonic() >= self.end or self.most is not None and self.count.value >= self.most:
                return False
            self.count.value += 1
            return True

    def add(self, count):
        with self.count.get_lock():
            self.count.value += count


def main(doc, floods, attacker, bystander, listener):
    """Measures each flood.

    `attacker(name, port, opened, count)` runs in a process of its own with this number of connections at a
    time, as long as `opened` allows another. `bystander(port, seconds)` returns the p99 of its requests in ms.
    `listener(folder)` returns the keys of the listener.
    """
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--lb", default="target/release/lb")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--once", action="store_true", help="do not open a connection again that was cut")
    parser.add_argument(
        "--elsewhere", action="store_true",
        help="flood a second lb: what another client notices then is the load of the machine",
    )
    parser.add_argument("--only", default="", help="only the floods whose name has this")
    arguments = parser.parse_args()
    # The bystander has a backend of its own: the other one is busy with what reaches it.
    ports = []
    for _ in range(2):
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        multiprocessing.Process(target=backend, args=(listening,), daemon=True).start()
        ports.append(listening.getsockname()[1])
    print("| flood | p99 before | during | memory at most | after | connections | cut |")
    print("|---|---|---|---|---|---|---|")
    for flood in floods:
        if arguments.only not in flood.__name__:
            continue
        with tempfile.TemporaryDirectory() as folder:
            keys = listener(folder)
            lbs = [Balancer(os.path.abspath(arguments.lb), folder, keys, ports)]
            try:
                if arguments.elsewhere:
                    lbs.append(Balancer(os.path.abspath(arguments.lb), folder, keys, ports))
                row(lbs[0], lbs[-1], flood.__name__, arguments, attacker, bystander)
            finally:
                for lb in lbs:
                    lb.stop()


def row(asked, lb, name, arguments, attacker, bystander):
    """Measures one flood of `lb`, while another client asks `asked`, usually the same."""
    before = bystander(asked.port, 3)
    first = lb.memory()
    most, is_over = [first], threading.Event()

    def sample():
        while not is_over.wait(0.05):
            most[0] = max(most[0], lb.memory())

    sampler = threading.Thread(target=sample)
    sampler.start()
    end = time.monotonic() + arguments.seconds
    opened = Opened(end, arguments.connections if arguments.once else None)
    process = multiprocessing.Process(target=attacker, args=(name, lb.port, opened, arguments.connections))
    process.start()
    during = bystander(asked.port, arguments.seconds)
    process.join(10)
    process.kill()
    is_over.set()
    sampler.join()
    # The allocator gives memory back while it is at work.
    bystander(lb.port, 3)
    cuts = lb.count("connections_cut_total")
    for name_of_one in ("quic_retries_total", "streams_refused_total"):
        cuts.update({reason or "retries": value for reason, value in lb.count(name_of_one).items()})
    cells = [f"{before:.1f} ms", f"{during:.1f} ms", f"{most[0] - first:.1f} MiB"]
    cells += [f"{lb.memory() - first:.1f} MiB", str(opened.count.value), str(cuts or "-")]
    print(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |", flush=True)
