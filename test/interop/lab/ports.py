"""Ports that are free, for UDP and TCP alike, and given to nobody else in this run."""

import random
import socket
import threading

# Below the range from which the system takes ports for outgoing sockets, so that none is taken meanwhile.
SIGNALLING = range(20000, 32000)
MEDIA = range(12000, 19000)

_given = set()
_lock = threading.Lock()


def free_port(within=SIGNALLING, count=1):
    """The first, an even number, of `count` neighbouring ports."""
    with _lock:
        for _ in range(500):
            first = random.randrange(within.start, within.stop - count, 2)
            ports = range(first, first + count)
            if _given.isdisjoint(ports) and all(map(_is_free, ports)):
                _given.update(ports)
                return first
    raise RuntimeError("no free port on the loopback")


def _is_free(port):
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                try:
                    probe.bind((host, port))
                except OSError:
                    return False
    return True
