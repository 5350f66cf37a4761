#!/usr/bin/env python3
"""Holds many idle connections and says what the server's memory for one of them is.

    ulimit -n 100000      # as many as the machine allows
    bench/sip/idle.py --binary target/release/offhook --transport tls --connections 20000

Each connection says one OPTIONS and reads the answer, then keeps still for --rest seconds. The figure is the growth of the
server's proportional set size over that of 100 connections, per connection; at the end each connection says another
OPTIONS, so none that died counts. The clients come from several loopback addresses, because ports are 28,000 each.
"""

import argparse
import os
import socket
import ssl
import subprocess
import tempfile
import time

PER_SOURCE = 10000
FIRST = 100
PORT = 25061

CONFIG = """
[[listen]]
transport = "{transport}"
address = "127.0.0.1:{port}"
[access]
authenticate_register = false
authenticate_calls = false
[engine]
shards = 1
[limits]
connections_max = 100000
connections_per_source_max = 100000
[log]
level = "error"
[websocket]
ping_interval_s = 3600
"""

OPENING = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n"
           b"Sec-WebSocket-Version: 13\r\n\r\n")


def options(number, transport):
    return ("OPTIONS sip:127.0.0.1:%d SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:9;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"
            "From: <sip:idle@far.example>;tag=%d\r\nTo: <sip:127.0.0.1>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n" % (PORT, transport.upper(), number, number, number)).encode()


def connect(number, transport, context):
    source = "127.0.0.%d" % (2 + number // PER_SOURCE)
    stream = socket.create_connection(("127.0.0.1", PORT), 20, (source, 0))
    if transport in ("tls", "wss"):
        stream = context.wrap_socket(stream, server_hostname="localhost")
    if transport in ("ws", "wss"):
        stream.sendall(OPENING)
        answer = stream.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
    return stream


def framed(message):
    """One masked text frame; a mask of zeros changes nothing."""
    return b"\x81" + bytes([0x80 | 126]) + len(message).to_bytes(2, "big") + bytes(4) + message


def ask(stream, number, transport):
    message = options(number, transport)
    stream.sendall(framed(message) if transport in ("ws", "wss") else message)
    answer = stream.recv(4096)
    assert b"SIP/2.0 " in answer[:20], answer


def memory_kib(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--transport", choices=("tcp", "tls", "ws", "wss"), default="tls")
    parser.add_argument("--connections", type=int, default=20000)
    parser.add_argument("--rest", type=float, default=30, help="seconds of silence before the look at the memory")
    arguments = parser.parse_args()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "offhook.toml")
        with open(config, "w") as file:
            file.write(CONFIG.format(transport=arguments.transport, port=PORT))
        server = subprocess.Popen([arguments.binary, "serve", "--config", config, "--data", os.path.join(folder, "data")],
                                  stdout=subprocess.DEVNULL)
        time.sleep(2)
        streams, began = [], time.monotonic()
        try:
            while len(streams) < arguments.connections:
                streams.append(connect(len(streams), arguments.transport, context))
                ask(streams[-1], len(streams), arguments.transport)
                if len(streams) == FIRST:
                    first_kib = memory_kib(server.pid)
            took_s = time.monotonic() - began
            time.sleep(arguments.rest)
            last_kib = memory_kib(server.pid)
            for number, stream in enumerate(streams):
                ask(stream, number, arguments.transport)
            each = (last_kib - first_kib) * 1024 / (len(streams) - FIRST)
            print("%d %s connections held: %.0f B each, %.1f MiB in all, opened in %.0f s (client and server on one machine)"
                  % (len(streams), arguments.transport, each, last_kib / 1024, took_s))
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
