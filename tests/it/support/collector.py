"""A collector of traces, made of OpenTelemetry's public protocol alone: it shares no code with what it tests.

Takes spans over HTTP and in gRPC, and prints each as a line of JSON, after a line with its two ports.
"""

import argparse
import json
import ssl
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2 as service,
    trace_service_pb2_grpc as service_grpc,
)

KINDS = {1: "internal", 2: "server", 3: "client"}
PRINTING = threading.Lock()
OPTIONS = None


def say(value):
    with PRINTING:
        print(json.dumps(value), flush=True)


def value_of(value):
    return getattr(value, value.WhichOneof("value"))


def pairs(attributes):
    return {one.key: value_of(one.value) for one in attributes}


def take(request, protocol, headers):
    for of_resource in request.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                say({
                    "protocol": protocol,
                    "headers": headers,
                    "resource": pairs(of_resource.resource.attributes),
                    "scope": of_scope.scope.name,
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "flags": span.flags,
                    "kind": KINDS.get(span.kind, span.kind),
                    "name": span.name,
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "attributes": pairs(span.attributes),
                    "events": [{"name": one.name, "time": one.time_unix_nano} for one in span.events],
                    "status": span.status.code,
                    "message": span.status.message,
                })


class OverHttp(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(OPTIONS.delay)
        if OPTIONS.refuse:
            return self.answer(503, b"")
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
            return self.answer(404, b"")
        try:
            request = service.ExportTraceServiceRequest.FromString(body)
        except DecodeError:
            return self.answer(400, b"")
        take(request, "http", {name.lower(): text for name, text in self.headers.items()})
        self.answer(200, service.ExportTraceServiceResponse().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class InGrpc(service_grpc.TraceServiceServicer):
    def Export(self, request, context):
        time.sleep(OPTIONS.delay)
        if OPTIONS.refuse:
            context.abort(grpc.StatusCode.UNAVAILABLE, "full")
        take(request, "grpc", {name: text for name, text in context.invocation_metadata()})
        return service.ExportTraceServiceResponse()


def main():
    global OPTIONS
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, default=0, help="the port for HTTP")
    parser.add_argument("--grpc", type=int, default=0, help="the port for gRPC")
    parser.add_argument("--delay", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--refuse", action="store_true", help="answers that it is not available")
    parser.add_argument("--tls", help="the name of two files: NAME.pem and NAME.key")
    OPTIONS = parser.parse_args()
    http = ThreadingHTTPServer(("127.0.0.1", OPTIONS.http), OverHttp)
    in_grpc = grpc.server(futures.ThreadPoolExecutor(4))
    service_grpc.add_TraceServiceServicer_to_server(InGrpc(), in_grpc)
    address = f"127.0.0.1:{OPTIONS.grpc}"
    if OPTIONS.tls:
        certificate, key = (OPTIONS.tls + ".pem", OPTIONS.tls + ".key")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        http.socket = context.wrap_socket(http.socket, server_side=True)
        pair = (open(key, "rb").read(), open(certificate, "rb").read())
        port = in_grpc.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    else:
        port = in_grpc.add_insecure_port(address)
    in_grpc.start()
    say({"http": http.server_address[1], "grpc": port})
    http.serve_forever()


main()
