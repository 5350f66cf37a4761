"""Names whose answers are signed, signed wrongly, or not at all; with a root of the test's own."""

import os

from lab.peer import Peer, ask
from lab.server import Server
from lab.signed import SignedKnot

from .names import OPEN

DNS = """
[dns]
servers = ["127.0.0.1:%d"]
private_addresses = true
timeout_ms = 1000
patience_ms = 8000
%s
"""

VALIDATED = 'dnssec = true\ntrust_anchors = "%s"'

# Zone, status with validation and without, what it is.
CASES = (
    ("good", 200, "signed as it should be"),
    ("plain", 200, "not signed, and its parent says so"),
    ("late", 504, "its signatures have expired"),
    ("forged", 504, "a record does not fit its signature"),
    ("bare", 504, "signatures are missing that should be there"),
)

# In each zone.
ALIASES = "*.wild A 127.0.0.1\nold DNAME good.\n" + "".join(
    "c%d CNAME %s\n" % (n, "here" if n == 6 else "c%d" % (n + 1)) for n in range(1, 7))

# Names of those, and what they are.
STAND_INS = (
    ("any.wild.good", "a wildcard"),
    ("here.old.good", "a DNAME"),
    ("c1.good", "six CNAMEs"),
)


# RFC 4035 §5.2, §5.3, §5.5, RFC 6672 §5.3, RFC 3263 §4
def signed_zones(check, binary, folder):
    peer = Peer()
    records = "here A 127.0.0.1\n_sip._udp SRV 10 1 %d here\n" % peer.port + ALIASES
    with SignedKnot(folder, records) as knot:
        with Server(binary, _folder(folder, "strict"), OPEN + DNS % (knot.port, VALIDATED % knot.anchors)) as server:
            for zone, status, what in CASES:
                before = peer.got
                got, took_s = ask(server, "sip:x@%s" % zone, timeout_s=10)
                why = "%s after %.1f s\n%s" % (got, took_s, server.child.tail())
                check(got == status and peer.got - before == (status == 200), "checked, %s: %d" % (what, status), why)
                resolves(check, server, zone, status, peer)
            for name, what in STAND_INS:
                got, _ = ask(server, "sip:x@%s:%d" % (name, peer.port))
                check(got == 200, "checked, a name by %s: 200" % what, "%s\n%s" % (got, server.child.tail()))
            got, _ = ask(server, "sip:x@absent.good")
            check(got == 404, "checked, and proved that there is no such name: 404", "%s\n%s" % (got, server.child.tail()))
        with Server(binary, _folder(folder, "lax"), OPEN + DNS % (knot.port, "")) as server:
            for zone, _, what in CASES:
                got, _ = ask(server, "sip:x@%s" % zone)
                check(got == 200, "not checked, %s: believed" % what, "%s\n%s" % (got, server.child.tail()))
    peer.close()


def resolves(check, server, zone, status, peer):
    """The command says the same, and why."""
    code, said = server.command("resolve", "sip:%s" % zone)
    if status == 200:
        check(code == 0 and "1. udp 127.0.0.1:%d" % peer.port in said, "offhook resolve %s shows the way" % zone, said)
    else:
        check(code == 4 and "DNSSEC" in said, "offhook resolve %s says that DNSSEC forbids it" % zone, said)


def _folder(folder, name):
    path = os.path.join(folder, name)
    os.makedirs(path)
    return path
