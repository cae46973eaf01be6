#!/usr/bin/env python3
"""What floods of HTTP/3 and QUIC cost, and whether other clients notice.

Connections that do nothing but one kind of flood, 20 at a time, and again when they are cut unless --once
is given. Beside them a client of HTTP/3 sends one small request after another. For each flood: the p99 of
that client without and with it, the growth of memory (RssAnon) at its highest and three seconds after the
end, the connections that were opened, and why they were cut, from the metrics.

It needs aioquic: pip install aioquic. Everything happens on 127.0.0.1.
"""

import asyncio
import multiprocessing
import os
import socket
import ssl
import subprocess
import time

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import StreamDataReceived

import floods

STREAMS = 128
DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GO_AWAY, MAX_PUSH_ID, RESERVED = 0, 1, 3, 4, 5, 7, 13, 0x21
CANCELLED = 0x10C


def integer(value):
    for length, mark in ((1, 0), (2, 1), (4, 2), (8, 3)):
        if value < 1 << (8 * length - 2):
            return (value | mark << (8 * length - 2)).to_bytes(length, "big")
    raise ValueError(value)


def frame(kind, payload=b""):
    return integer(kind) + integer(len(payload)) + payload


def field(name, value):
    return floods.prefixed(len(name), 3, 0x20) + name + floods.prefixed(len(value), 7, 0) + value


def request(path, method=b"GET", more=b""):
    fields = field(b":method", method) + b"\xd7" + field(b":path", path) + field(b":authority", b"a")
    return frame(HEADERS, b"\0\0" + fields + more)


class Client(QuicConnectionProtocol):
    """A connection whose control stream is open."""

    def __init__(self, quic, *given, **named):
        super().__init__(quic, *given, **named)
        # Answers have a window of their own.
        quic._local_max_stream_data_uni = 1 << 20
        self.waiting = {}

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.end_stream:
            waiting = self.waiting.pop(event.stream_id, None)
            if waiting and not waiting.done():
                waiting.set_result(None)

    def begin(self):
        self.control = self._quic.get_next_available_stream_id(is_unidirectional=True)
        self.send(self.control, b"\0" + frame(SETTINGS))

    def send(self, stream, data, end=False):
        self._quic.send_stream_data(stream, data, end)

    def open(self, data, end=False):
        stream = self._quic.get_next_available_stream_id()
        self.send(stream, data, end)
        return stream

    def uni(self, data, end=False):
        stream = self._quic.get_next_available_stream_id(is_unidirectional=True)
        self.send(stream, data, end)
        return stream

    async def get(self, path):
        stream = self.open(request(path), end=True)
        self.waiting[stream] = asyncio.get_running_loop().create_future()
        self.transmit()
        await self.waiting[stream]

    async def room(self, count):
        """Waits until so many more requests may be opened: the others would wait at the client."""
        quic = self._quic
        while quic.get_next_available_stream_id() // 4 + count > quic._remote_max_streams_bidi:
            await self.pause(0.001)

    async def pause(self, seconds=0.0):
        self.transmit()
        await asyncio.sleep(seconds)


# Each works until its connection is closed.


async def rapid_reset(client):
    while True:
        await client.room(20)
        for _ in range(20):
            stream = client.open(request(b"/hang"))
            client.transmit()
            client._quic.reset_stream(stream, CANCELLED)
            client._quic.stop_stream(stream, CANCELLED)
        await client.pause()


async def late_reset(client):
    while True:
        await client.room(20)
        some = [client.open(request(b"/hang")) for _ in range(20)]
        await client.pause(0.02)
        for stream in some:
            client._quic.reset_stream(stream, CANCELLED)
            client._quic.stop_stream(stream, CANCELLED)
        await client.pause()


async def stop_sending(client):
    while True:
        await client.room(20)
        some = [client.open(request(b"/hang"), end=True) for _ in range(20)]
        await client.pause(0.02)
        for stream in some:
            client._quic.stop_stream(stream, CANCELLED)
        await client.pause()


async def heads_left_open(client):
    for _ in range(STREAMS):
        client.open(request(b"/")[:10])
    await client.pause(3600)


async def large_heads_left_open(client):
    for _ in range(STREAMS):
        client.open(request(b"/", more=field(b"x", b"y" * 60_000))[:-1])
    await client.pause(3600)


async def bodies_left_open(client):
    for _ in range(STREAMS):
        client.open(request(b"/hang", b"POST"))
    await client.pause(3600)


async def bodies_held(client):
    """As much of each body as the windows take, and never the end."""
    for _ in range(STREAMS):
        client.open(request(b"/hang", b"POST") + frame(DATA, bytes(16000)))
    await client.pause(3600)


async def bodies_that_trickle(client):
    some = [client.open(request(b"/hang", b"POST")) for _ in range(STREAMS)]
    while True:
        await client.pause(1.0)
        for stream in some:
            client.send(stream, frame(DATA, b"x"))


async def requests_that_hang(client):
    for _ in range(STREAMS):
        client.open(request(b"/hang"), end=True)
    await client.pause(3600)


def no_windows(quic):
    quic._write_stream_limits = lambda *_, **__: None
    quic._write_connection_limits = lambda *_, **__: None


async def tiny_windows(client):
    """Windows of the first packets are all that there is."""
    for _ in range(STREAMS):
        client.open(request(b"/large"), end=True)
    await client.pause(3600)


async def slow_readers(client):
    """Windows open by a byte a second."""
    quic = client._quic
    for _ in range(STREAMS):
        client.open(request(b"/large"), end=True)

    def write(builder, space, stream):
        # aioquic would double a window that is used.
        came, stream.receiver.highest_offset = stream.receiver.highest_offset, 0
        QuicConnection._write_stream_limits(quic, builder, space, stream)
        stream.receiver.highest_offset = came

    quic._write_stream_limits = write
    while True:
        await client.pause(1.0)
        for stream in quic._streams.values():
            if stream.max_stream_data_local:
                stream.max_stream_data_local += 1


async def huge_fields(client):
    while True:
        for _ in range(4):
            client.open(request(b"/", more=field(b"x", b"y" * 60_000) * 2), end=True)
        await client.pause(0.01)


async def crumbs(client):
    while True:
        client.open(request(b"/", more=field(b"cookie", b"a=b") * 10_000), end=True)
        await client.pause(0.01)


async def malformed(client):
    while True:
        for _ in range(20):
            client.open(request(b"/", more=field(b"X", b"y")), end=True)
        await client.pause(0.01)


async def pings(client):
    number = 0
    while True:
        for _ in range(20):
            number += 1
            client._quic.send_ping(number)
            client.transmit()
        await client.pause()


async def pings_beside_a_request(client):
    client.open(request(b"/hang"), end=True)
    await pings(client)


async def encoder_garbage(client):
    while True:
        client.uni(b"\2" + b"\xc0" * 100)
        await client.pause(0.01)


async def empty_instructions(client):
    """Instructions without effect, which may come."""
    encoder = client.uni(b"\2")
    while True:
        client.send(encoder, b"\x20" * 1000)
        await client.pause(0.001)


async def settings_twice(client):
    while True:
        client.send(client.control, frame(SETTINGS))
        await client.pause(0.01)


async def unknown_frames(client):
    while True:
        client.send(client.control, frame(RESERVED) * 50)
        await client.pause()


async def push_ids(client):
    number = 0
    while True:
        for _ in range(50):
            number += 1
            client.send(client.control, frame(MAX_PUSH_ID, integer(number)))
        await client.pause()


async def goaways(client):
    number = 1 << 40
    while True:
        for _ in range(50):
            number -= 4
            client.send(client.control, frame(GO_AWAY, integer(number)))
        await client.pause()


async def long_reserved_frames(client):
    """Frames without a meaning, on streams of requests."""
    while True:
        client.open(integer(RESERVED) + integer(1 << 40) + bytes(64_000))
        await client.pause(0.01)


async def small_reserved_frames(client):
    stream = client.open(b"")
    while True:
        client.send(stream, frame(RESERVED) * 500)
        await client.pause(0.001)


async def empty_bodies(client):
    stream = client.open(request(b"/hang", b"POST"))
    while True:
        client.send(stream, frame(DATA) * 500)
        await client.pause(0.001)


async def uni_streams(client):
    while True:
        client.uni(integer(RESERVED + 31), end=True)
        await client.pause(0.001)


async def key_updates(client):
    while True:
        await client.get(b"/")
        try:
            client.request_key_update()
        except AssertionError:
            pass


async def other_addresses(client):
    """New ids of the connection, one after another."""
    client.open(request(b"/hang"), end=True)
    while True:
        client.change_connection_id()
        client._quic.send_ping(1)
        await client.pause(0.001)


WINDOWLESS = [tiny_windows, slow_readers]
CONNECTIONS = [
    rapid_reset, late_reset, stop_sending, heads_left_open, large_heads_left_open,
    bodies_left_open, bodies_held, bodies_that_trickle,
    requests_that_hang, tiny_windows, slow_readers, huge_fields, crumbs, malformed, pings,
    pings_beside_a_request, encoder_garbage, empty_instructions, settings_twice, unknown_frames, push_ids, goaways,
    long_reserved_frames, small_reserved_frames, empty_bodies, uni_streams, key_updates, other_addresses,
]


def settings(is_windowless=False):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE)
    configuration.server_name = "example.com"
    configuration.idle_timeout = 30.0
    if is_windowless:
        configuration.max_stream_data = 1
    return configuration


async def attack(flood, port, opened):
    """One connection after another."""
    while opened.another():
        try:
            configuration = settings(flood in WINDOWLESS)
            async with connect("127.0.0.1", port, configuration=configuration, create_protocol=Client) as client:
                if flood in WINDOWLESS:
                    no_windows(client._quic)
                client.begin()
                work = asyncio.ensure_future(flood(client))
                closed = asyncio.ensure_future(client.wait_closed())
                left = opened.end - time.monotonic()
                await asyncio.wait([work, closed], timeout=left, return_when=asyncio.FIRST_COMPLETED)
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        except (ConnectionError, OSError, asyncio.TimeoutError):
            await asyncio.sleep(0.01)


def first_packets():
    """Packets that begin handshakes, each of another connection."""
    while True:
        quic = QuicConnection(configuration=settings())
        quic.connect(("127.0.0.1", 1), now=time.time())
        yield quic.datagrams_to_send(now=time.time())[0][0]


def handshakes_left_open(port, opened):
    """First packets from many ports, whose clients say nothing more."""
    packets = first_packets()
    made = [next(packets) for _ in range(300)]
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(200)]
    number = 0
    while time.monotonic() < opened.end:
        number += 1
        sockets[number % len(sockets)].sendto(made[number % len(made)], ("127.0.0.1", port))
        if number % 20 == 0:
            opened.add(20)
            time.sleep(0.001)


def noise(port, opened):
    """Packets of connections that do not exist."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while time.monotonic() < opened.end:
        for _ in range(20):
            client.sendto(b"\x40" + os.urandom(1100), ("127.0.0.1", port))
        opened.add(20)
        time.sleep(0.001)


PACKETS = [handshakes_left_open, noise]


def attacker(name, port, opened, count):
    for flood in PACKETS:
        if flood.__name__ == name:
            return flood(port, opened)
    flood = next(it for it in CONNECTIONS if it.__name__ == name)

    async def run():
        await asyncio.gather(*(attack(flood, port, opened) for _ in range(count)), return_exceptions=True)

    asyncio.run(run())


async def ask(port, seconds):
    times, end = [], time.monotonic() + seconds
    async with connect("127.0.0.1", port, configuration=settings(), create_protocol=Client) as client:
        client.begin()
        while time.monotonic() < end:
            began = time.monotonic()
            await asyncio.wait_for(client.get(b"/own"), 10)
            times.append(time.monotonic() - began)
            await asyncio.sleep(0.002)
    return sorted(times)[int(len(times) * 0.99)] * 1000


def bystander(port, seconds):
    """The p99 of one small request after another, in ms."""
    with multiprocessing.Pool(1) as pool:
        return pool.apply(ask_in_this_process, (port, seconds))


def ask_in_this_process(port, seconds):
    return asyncio.run(ask(port, seconds))


def listener(folder):
    pem = os.path.join(folder, "tls.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=example.com", "-addext", "subjectAltName=DNS:example.com", "-keyout", pem + ".key",
         "-out", pem + ".crt"],
        check=True, capture_output=True,
    )
    return (
        "protocols: [h3, h2, http/1.1], "
        f"tls: {{ certificates: [ {{ cert: {pem}.crt, key: {pem}.key }} ] }}"
    )


if __name__ == "__main__":
    floods.main(__doc__, CONNECTIONS + PACKETS, attacker, bystander, listener)
