"""Clients that others have written in Python, which do the same with a balancer.

Arguments: a name in CLIENTS, the URL of a listener on 127.0.0.1 by the name in its certificate, and for https
the file with the certificate of the authority. Prints one line of JSON with what the client has seen. If
something fails or takes too long, prints what it was, and exits with 1.
"""

import asyncio
import faulthandler
import json
import os
import ssl
import sys
from urllib.parse import urlsplit

# Seconds for everything that a client does. One that does not even notice is ended somewhat later.
PATIENCE = 10
ADDRESS = "127.0.0.1"
UPLOAD = 100_000
LARGE = 1 << 20
SIDE_BY_SIDE = 10


class Site:
    def __init__(self, url, authority=None):
        self.url = url
        parts = urlsplit(url)
        self.scheme, self.host, self.port = parts.scheme, parts.hostname, parts.port
        self.authority = authority

    def tls(self):
        # Not the default context, whose demands on certificates depend on the version of Python.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        context.set_alpn_protocols(["h2"])
        return context

    def pseudo_fields(self, method, path):
        authority = f"{self.host}:{self.port}"
        return [(":method", method), (":scheme", self.scheme), (":authority", authority), (":path", path)]


class Answer:
    def __init__(self, status=None, fields=(), body=b"", trailers=None):
        self.status, self.body, self.trailers = status, bytearray(body), trailers
        self.fields = dict(fields)

    def take_fields(self, fields):
        """Takes a block of fields, of which the second one is the trailers."""
        if self.status is None:
            self.fields = dict(fields)
            self.status = int(self.fields[":status"])
        else:
            self.trailers = dict(fields)


def pattern(length):
    piece = bytes(range(251))
    return (piece * (length // len(piece) + 1))[:length]


async def walk(together, seen):
    """Asks for all that a test wants to see. `together` sends requests at once, and returns their answers."""

    async def one(method, path, body=b""):
        return (await together([(method, path, body)]))[0]

    answer = await one("GET", "/first")
    seen["first"] = [answer.status, answer.body.decode()]
    answers = await together([("GET", f"/side/{number}", b"") for number in range(SIDE_BY_SIDE)])
    seen["side by side"] = [[answer.status, answer.body.decode()] for answer in answers]
    seen["upload"] = (await one("POST", "/upload", pattern(UPLOAD))).status
    answer = await one("GET", "/large")
    seen["large"] = [answer.status, len(answer.body), answer.body == pattern(LARGE)]
    answer = await one("GET", "/trailers")
    seen["trailers"] = [answer.status, answer.body.decode(), (answer.trailers or {}).get("x-sum")]
    answer = await one("GET", "/missing")
    seen["missing"] = [answer.status, answer.body.decode()]
    answer = await one("HEAD", "/head")
    seen["head"] = [answer.status, answer.body.decode(), answer.fields.get("content-length")]


def each(ask):
    """Requests at once, with a client that takes one at a time."""

    async def together(requests):
        return await asyncio.gather(*(ask(*request) for request in requests))

    return together


async def with_h2(site, seen):
    import h2.config
    import h2.connection
    import h2.events as events

    tls = {"ssl": site.tls(), "server_hostname": site.host} if site.authority else {}
    reader, writer = await asyncio.open_connection(ADDRESS, site.port, **tls)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()

    def send(stream, body):
        """Sends what the windows have room for, and returns the rest."""
        while body:
            room = connection.local_flow_control_window(stream)
            piece = body[:min(room, connection.max_outbound_frame_size)]
            if not piece:
                break
            body = body[len(piece):]
            connection.send_data(stream, piece, end_stream=not body)
        return body

    def take(event, answers, open_streams):
        if isinstance(event, (events.ResponseReceived, events.TrailersReceived)):
            answers[event.stream_id].take_fields(event.headers)
        elif isinstance(event, events.DataReceived):
            answers[event.stream_id].body += event.data
            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamEnded):
            open_streams.remove(event.stream_id)
        elif isinstance(event, (events.StreamReset, events.ConnectionTerminated)):
            raise ConnectionError(str(event))

    async def together(requests):
        answers, unsent = {}, {}
        for method, path, body in requests:
            stream = connection.get_next_available_stream_id()
            connection.send_headers(stream, site.pseudo_fields(method, path), end_stream=not body)
            answers[stream], unsent[stream] = Answer(), body
        open_streams = set(answers)
        while open_streams:
            unsent = {stream: send(stream, body) for stream, body in unsent.items()}
            writer.write(connection.data_to_send())
            received = await reader.read(1 << 16)
            if not received:
                raise ConnectionError("the connection has ended")
            for event in connection.receive_data(received):
                take(event, answers, open_streams)
        return list(answers.values())

    await walk(together, seen)
    connection.close_connection()
    writer.write(connection.data_to_send())
    writer.close()


async def with_httpx(site, seen):
    import httpx

    # The address is in the URL and the name is said apart, because there is no other way to connect there.
    fields, extensions = {"host": f"{site.host}:{site.port}"}, {"sni_hostname": site.host}
    common = {"http1": False, "http2": True, "trust_env": False, "timeout": PATIENCE}
    async with httpx.AsyncClient(verify=site.tls(), headers=fields, **common) as client:

        async def ask(method, path, body):
            url = f"https://{ADDRESS}:{site.port}{path}"
            answer = await client.request(method, url, content=body or None, extensions=extensions)
            return Answer(answer.status_code, answer.headers, answer.content)

        await walk(each(ask), seen)


async def with_curl_cffi(site, seen):
    from curl_cffi import CurlOpt
    from curl_cffi.requests import AsyncSession

    options = {CurlOpt.RESOLVE: [f"{site.host}:{site.port}:{ADDRESS}"]}
    common = {"impersonate": "chrome", "trust_env": False, "timeout": PATIENCE}
    async with AsyncSession(verify=site.authority, curl_options=options, **common) as session:

        async def ask(method, path, body):
            answer = await session.request(method, site.url + path, data=body or None)
            # It has trailers among the other fields.
            return Answer(answer.status_code, answer.headers, answer.content, answer.headers)

        await walk(each(ask), seen)


async def with_aioquic(site, seen):
    from aioquic.asyncio import QuicConnectionProtocol
    from aioquic.h3.connection import H3Connection
    from aioquic.h3.events import DataReceived, HeadersReceived
    from aioquic.quic.events import ConnectionTerminated, StreamReset

    class Client(QuicConnectionProtocol):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, **more)
            self.http, self.answers = H3Connection(self._quic), {}

        async def ask(self, method, path, body):
            stream = self._quic.get_next_available_stream_id()
            fields = [(name.encode(), text.encode()) for name, text in site.pseudo_fields(method, path)]
            self.http.send_headers(stream, fields, end_stream=not body)
            if body:
                self.http.send_data(stream, body, end_stream=True)
            ended = asyncio.get_running_loop().create_future()
            self.answers[stream] = (Answer(), ended)
            self.transmit()
            return await ended

        def quic_event_received(self, event):
            if isinstance(event, (StreamReset, ConnectionTerminated)):
                self.fail(event)
            for part in self.http.handle_event(event):
                answer, ended = self.answers.get(getattr(part, "stream_id", None), (None, None))
                if isinstance(part, HeadersReceived):
                    answer.take_fields((name.decode(), text.decode()) for name, text in part.headers)
                elif isinstance(part, DataReceived):
                    answer.body += part.data
                if ended and part.stream_ended:
                    ended.set_result(answer)

        def fail(self, event):
            for _, ended in self.answers.values():
                if not ended.done():
                    ended.set_exception(ConnectionError(str(event)))

    async with over_quic(site, Client) as client:
        await walk(each(client.ask), seen)


def over_quic(site, protocol):
    from aioquic.asyncio import connect
    from aioquic.h3.connection import H3_ALPN
    from aioquic.quic.configuration import QuicConfiguration

    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name=site.host)
    configuration.load_verify_locations(site.authority)
    return connect(ADDRESS, site.port, configuration=configuration, create_protocol=protocol)


async def with_pings_of_aioquic(site, seen):
    """Asks for one thing, and sends PINGs until the balancer ends the connection."""
    from aioquic.asyncio import QuicConnectionProtocol
    from aioquic.h3.connection import H3Connection
    from aioquic.quic.events import ConnectionTerminated

    class Client(QuicConnectionProtocol):
        def quic_event_received(self, event):
            if isinstance(event, ConnectionTerminated):
                seen["closed with"] = event.error_code

    async with over_quic(site, Client) as client:
        quic = client._quic
        http, stream = H3Connection(quic), quic.get_next_available_stream_id()
        fields = [(name.encode(), text.encode()) for name, text in site.pseudo_fields("GET", "/hang")]
        http.send_headers(stream, fields, end_stream=True)
        seen["pings"] = 0
        while "closed with" not in seen:
            quic.send_ping(seen["pings"])
            seen["pings"] += 1
            client.transmit()
            await asyncio.sleep(0.002)


async def with_grpc(site, seen):
    import grpc

    address, options = f"{ADDRESS}:{site.port}", [("grpc.enable_http_proxy", 0)]
    if site.authority:
        options.append(("grpc.ssl_target_name_override", site.host))
        with open(site.authority, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        channel = grpc.aio.secure_channel(address, credentials, options)
    else:
        channel = grpc.aio.insecure_channel(address, options)
    async with channel:
        for method in ["/shop.Orders/Plain", "/shop.Orders/Page", "/shop.Orders/Missing", "/shop.Away/Get"]:
            try:
                await channel.unary_unary(method)(b"", timeout=PATIENCE)
                seen[method] = "an answer"
            except grpc.RpcError as error:
                seen[method] = [error.code().name, error.details()]


CLIENTS = {
    # A name ends with that of the client's module.
    "h2": with_h2,
    "httpx": with_httpx,
    "curl_cffi": with_curl_cffi,
    "aioquic": with_aioquic,
    "pings of aioquic": with_pings_of_aioquic,
    "grpc": with_grpc,
}


def main():
    name, *site = sys.argv[1:]
    faulthandler.dump_traceback_later(PATIENCE * 1.5, exit=True)
    # A proxy would be asked in the place of the balancer.
    for variable in [one for one in os.environ if one.lower().endswith("_proxy")]:
        del os.environ[variable]
    seen = {}
    try:
        asyncio.run(asyncio.wait_for(CLIENTS[name](Site(*site), seen), PATIENCE))
    except Exception as error:
        sys.exit(f"{name}, which has seen {json.dumps(seen)}: {error!r}")
    print(json.dumps(seen))


main()
