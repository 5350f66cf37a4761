"""What the server takes of the machine while nobody uses it."""

import time

from lab.server import Server

EMPTY_MAX_KIB = 15 * 1024
# As many on every machine, for each takes some 1.2 MiB: docs/performance.md.
TWO_SHARDS = "[engine]\nshards = 2\n"
SETTLED_S = 3


class Plain(Server):
    """Without a configuration it listens by UDP and TCP."""

    def _listeners(self):
        return (("udp", self.port), ("tcp", self.port))


def empty_server(check, binary, folder):
    """No phone, no call. The peak is the start's; what counts is what stays."""
    with Plain(binary, folder, TWO_SHARDS) as server:
        time.sleep(SETTLED_S)
        resident_kib = resident(server.child.process.pid)
        check(resident_kib <= EMPTY_MAX_KIB, "the empty server takes %.1f MiB, at most 15" % (resident_kib / 1024))


def resident(pid):
    """Memory that is really there, KiB."""
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
