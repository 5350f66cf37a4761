#!/usr/bin/env python3
"""What a call costs when there is much around it, and how long a start takes with a million registrations.

    bench/sip/growth.py --binary target/release/offhook --sipload PATH

Two servers with one shard each, one with little around its calls and one with much. They take turns; calls are saturated (a
closed loop), the figure is a server's processor time for a completed call. Shown are the medians of the slices and that of
the ratios of neighbours.

    bindings       1,000 and 1,000,000 registered, calls to random ones of them
    transactions   100 and 200,000 INVITEs that ring meanwhile
    connections    10 and as many idle TCP connections as the machine allows, at most 20,000; calls over 10 others
    start          from the start of the program to its first answer, after SIGTERM and after SIGKILL, by a client that
                   asks every 5 ms

The generator speaks a line protocol: `run window=W secs=S`, answered by a line of JSON.
"""

import argparse
import atexit
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from mixed import cpu_us

PORT = 28000
DOMAIN = "bench.test"
LITTLE_USERS, MANY_USERS = 1000, 1000000
LITTLE_RINGING, MANY_RINGING = 100, 200000
LITTLE_IDLE, MANY_IDLE = 10, 20000
RING_RATE = 10000
PER_SOURCE = 10000
DESCRIPTORS_KEPT = 60

CONFIG = """
domains = ["{domain}"]
[[listen]]
transport = "udp"
address = "127.0.0.1:{port}"
[[listen]]
transport = "tcp"
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
"""


_running = []


def begin(argv, **more):
    """Starts a program that ends with us at the latest."""
    process = subprocess.Popen(argv, **more)
    _running.append(process)
    return process


@atexit.register
def end_all():
    for process in _running:
        process.kill()


class Server:
    """A server and where it listens; its phones have ports above its own."""

    def __init__(self, binary, folder, port=PORT):
        self.port = port
        path = os.path.join(folder, "%d" % port)
        os.mkdir(path)
        config = os.path.join(path, "offhook.toml")
        with open(config, "w") as file:
            file.write(CONFIG.format(domain=DOMAIN, port=port))
        self.argv = [binary, "serve", "--config", config, "--data", os.path.join(path, "data")]
        self.start()

    def start(self):
        """Seconds to its first answer."""
        began = time.monotonic()
        self.process = begin(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        ask(self.port, began + 60)
        return time.monotonic() - began

    def end(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait(30)

    def cpu_us(self):
        return cpu_us(self.process.pid)


def options(port, transport):
    return ("OPTIONS sip:127.0.0.1:%d SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:9;rport;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
            "From: <sip:growth@far.example>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n" % (port, transport)).encode()


def ask(port, deadline):
    """Waits for an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(0.005)
        while time.monotonic() < deadline:
            try:
                client.send(options(port, "UDP"))
                if client.recv(4096).startswith(b"SIP/2.0 "):
                    return
            except OSError:
                time.sleep(0.005)
    raise SystemExit("the server does not answer")


class Load:
    """A generator, with phones at ports so far above the server's."""

    def __init__(self, sipload, server, users, above, *more):
        self.process = begin(
            [sipload, "--proxy", "127.0.0.1:%d" % server.port, "--mode", "call", "--target", "users",
             "--uas-port", str(server.port + above), "--domain", DOMAIN, "--users", str(users), "--ctl", *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        line = self.process.stdout.readline().strip()
        assert line == "READY", line

    def run(self, what):
        self.process.stdin.write("run %s\n" % what)
        told = json.loads(self.process.stdout.readline())
        assert told["failed"] == 0, told
        return told

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def compare(pairs, slices, secs):
    """Each of two servers with its load: what a call costs in the one and in the other."""
    def slice(server, load, secs):
        before = server.cpu_us()
        done = load.run("window=100 secs=%g" % secs)["completed"]
        return (server.cpu_us() - before) / done

    for pair in pairs:
        slice(*pair, 1)
    figures = [[slice(*pair, secs) for pair in pairs] for _ in range(slices)]
    ratio = statistics.median(much / little for little, much in figures)
    return *map(statistics.median, zip(*figures)), ratio


def bindings(little, much, arguments):
    return (Load(arguments.sipload, little, LITTLE_USERS, 10), Load(arguments.sipload, much, MANY_USERS, 10)), []


def transactions(little, much, arguments):
    ringing = []
    for server, count in ((little, LITTLE_RINGING), (much, MANY_RINGING)):
        load = Load(arguments.sipload, server, LITTLE_USERS, 30, "--user-prefix", "r")
        told = load.run("rate=%d secs=60 count=%d ring=170000 nodrain" % (RING_RATE, count))
        assert told["live"] >= count * 0.99, told
        ringing.append(load)
    return [Load(arguments.sipload, server, LITTLE_USERS, 10) for server in (little, much)], ringing


def connections(little, much, arguments):
    most = min(MANY_IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - DESCRIPTORS_KEPT)
    loads = [Load(arguments.sipload, server, 200, 10, "--transport", "tcp", "--conns", "5") for server in (little, much)]
    idle = [hold(little, LITTLE_IDLE), hold(much, most)]
    print("(%d and %d idle connections)" % tuple(map(len, idle)))
    return loads, idle


def hold(server, count):
    """Connections that have asked once and are idle since."""
    streams = []
    for number in range(count):
        source = "127.0.0.%d" % (2 + number // PER_SOURCE)
        streams.append(socket.create_connection(("127.0.0.1", server.port), 20, (source, 0)))
        streams[-1].sendall(options(server.port, "TCP"))
        assert streams[-1].recv(4096).startswith(b"SIP/2.0 ")
    return streams


def starts(binary, folder, sipload):
    server = Server(binary, folder)
    Load(sipload, server, MANY_USERS, 10).end()
    for number in (signal.SIGTERM, signal.SIGKILL):
        time.sleep(2)  # what waits for the log is written by then
        server.end(number)
        print("start after %s with %d bindings: %.2f s" % (number.name, MANY_USERS, server.start()))
    server.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--sipload", required=True)
    parser.add_argument("--slices", type=int, default=7)
    parser.add_argument("--secs", type=float, default=1.0)
    parser.add_argument("--only", default="bindings,transactions,connections,start")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for what in (bindings, transactions, connections):
        if what.__name__ not in arguments.only:
            continue
        with tempfile.TemporaryDirectory(prefix="growth.") as folder:
            servers = [Server(arguments.binary, folder, port) for port in (PORT, PORT + 100)]
            loads, around = what(*servers, arguments)
            figures = compare(list(zip(servers, loads)), arguments.slices, arguments.secs)
            print("%s: %.1f and %.1f us a call, ratio %.2f" % (what.__name__, *figures), flush=True)
            for ended in [*loads, *servers]:
                ended.end()
            for one in around:
                one.end() if isinstance(one, Load) else [stream.close() for stream in one]
    if "start" in arguments.only:
        with tempfile.TemporaryDirectory(prefix="growth.") as folder:
            starts(arguments.binary, folder, arguments.sipload)


if __name__ == "__main__":
    main()
