#!/usr/bin/env python3
"""What a call costs that crosses transports: three servers in a row, a load generator at both ends.

    bench/sip/mixed.py --binary target/release/offhook --sipload PATH

    caller ──udp──► first ──link──► middle ──link──► last ──udp──► callee

With a link of UDP all three pass calls from UDP to UDP. With a link of TLS (or TCP) the middle one passes them from that to
that, and the other two cross between both. Calls are saturated (a closed loop), chains take turns. The figure is what a
crossing costs over the mean of the two that do not cross. The generator speaks a line protocol: `run window=W secs=S`,
answered by a line of JSON.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time

PORT = 27000
UAS_PORT = 27900
CHAIN = ("first", "middle", "last")

CONFIG = """
domains = ["{name}.test"]
[[listen]]
transport = "udp"
address = "127.0.0.1:{port}"
[[listen]]
transport = "{link}"
address = "127.0.0.1:{link_port}"
[access]
authenticate_register = false
authenticate_calls = false
[engine]
shards = 1
[log]
level = "error"
[[route]]
match = {{ domain = "bench.test" }}
to = "{to}"
"""


class Chain:
    """Three servers and the generator."""

    def __init__(self, binary, sipload, link, base):
        self.servers, self.folder = [], tempfile.TemporaryDirectory(prefix="mixed.")
        ports = [base + 10 * number for number in range(len(CHAIN))]
        to, trusted = "sip:127.0.0.1:%d;transport=udp" % (UAS_PORT + base - PORT), None
        for name, port in reversed(list(zip(CHAIN, ports))):
            data = os.path.join(self.folder.name, name)
            os.makedirs(data)
            path = os.path.join(data, "offhook.toml")
            with open(path, "w") as file:
                file.write(CONFIG.format(name=name, port=port, link=link if link != "udp" else "tcp",
                                         link_port=port + 1, to=to))
                if trusted:
                    file.write('[tls]\nserver_ca = "%s"\n' % trusted)
            server = subprocess.Popen([binary, "serve", "--config", path, "--data", data],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            self.servers.insert(0, server)
            trusted = os.path.join(data, "tls/certificate.pem") if link == "tls" else None
            wait_for(port + 1, trusted)
            to = "sip:127.0.0.1:%d;transport=%s" % (port + (link != "udp"), link)
        self.load = subprocess.Popen(
            [sipload, "--proxy", "127.0.0.1:%d" % ports[0], "--transport", "udp", "--mode", "call", "--target", "static",
             "--uas-port", str(UAS_PORT + base - PORT), "--domain", "bench.test", "--users", "1000", "--ctl"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.load.stdout.readline().strip() == "READY"

    def slice(self, window, secs):
        """CPU of each server for a completed call, µs."""
        before = [cpu_us(server.pid) for server in self.servers]
        self.load.stdin.write("run window=%d secs=%g\n" % (window, secs))
        told = json.loads(self.load.stdout.readline())
        assert told["failed"] == 0 and told["completed"] > 0, told
        return [(cpu_us(server.pid) - then) / told["completed"] for server, then in zip(self.servers, before)]

    def end(self):
        self.load.stdin.close()
        self.load.wait(20)
        for server in self.servers:
            server.send_signal(signal.SIGKILL)
            server.wait()
        self.folder.cleanup()


def wait_for(port, certificate):
    deadline = time.time() + 20
    while time.time() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            if certificate is None or os.path.exists(certificate):
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit("no server at port %d" % port)


def cpu_us(pid):
    total = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as file:
            total += int(file.read().split()[0])
    return total / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--sipload", required=True)
    parser.add_argument("--link", default="tls", choices=("tls", "tcp"))
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--secs", type=float, default=1.0)
    parser.add_argument("--slices", type=int, default=5)
    o = parser.parse_args()
    chains = {"udp": Chain(o.binary, o.sipload, "udp", PORT), o.link: Chain(o.binary, o.sipload, o.link, PORT + 100)}
    costs = {link: [] for link in chains}
    try:
        for chain in chains.values():
            chain.slice(o.window, o.secs)  # warms up
        for _ in range(o.slices):
            for link, chain in chains.items():
                costs[link].append(chain.slice(o.window, o.secs))
    finally:
        for chain in chains.values():
            chain.end()
    udp = statistics.median(statistics.mean(one) for one in costs["udp"])
    link = statistics.median(one[1] for one in costs[o.link])
    crossing = statistics.median((one[0] + one[2]) / 2 for one in costs[o.link])
    print("udp to udp %.1f µs, %s to %s %.1f µs, crossing %.1f µs a call: %.2f times the mean of both"
          % (udp, o.link, o.link, link, crossing, crossing / ((udp + link) / 2)))


if __name__ == "__main__":
    main()
