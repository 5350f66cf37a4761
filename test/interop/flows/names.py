"""Next hops by name, against a real name server and one that misbehaves."""

import os
import subprocess
import threading
import time

from lab.knot import Knot, version
from lab.knot import zone as whole
from lab.peer import Peer, ask
from lab.responder import Responder, address, cname, srv
from lab.server import DOMAIN, Server

ORIGIN = "names.test"

# Names of a CNAME chain that are followed: docs/dns.md.
LINKS_MAX = 7

# Everybody may send anywhere: the server is on the loopback.
OPEN = "[access]\nauthenticate_calls = false\n"
DNS = """
[dns]
servers = ["127.0.0.1:%d"]
private_addresses = %s
timeout_ms = 1000
patience_ms = 4000
ttl_min_s = 0
"""


# Numbers abroad are looked up, those that are not found ring nobody.
ENUM = """
[[route]]
name = "numbers"
match = { prefix = "+49" }
enum = "%s"
open = true
""" % ORIGIN


def settings(port, private=True):
    return OPEN + DNS % (port, "true" if private else "false")


def zone(first, second):
    lines = [
        "here A 127.0.0.1",
        "_sip._udp.two SRV 10 1 %d here" % first.port,
        "_sip._udp.two SRV 20 1 %d here" % second.port,
        # Only NAPTR leads on to the SRV.
        'naptr NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.naptr',
        'naptr NAPTR 20 10 "s" "SIP+D2U" "" _elsewhere._udp.naptr',
        "_elsewhere._udp.naptr SRV 0 0 %d here" % second.port,
        "_sip._udp.none SRV 0 0 0 .",
        "_sip._udp.zero SRV 0 0 0 here",
        "none A 127.0.0.1",
        "short 1 A 127.0.0.1",
        "alias CNAME here",
        "loop CNAME pool",
        "pool CNAME loop",
    ]
    # Chains that stand in one answer: one that is followed, and one that is too long.
    for links in (LINKS_MAX, 10):
        lines += ["c%d-%d CNAME c%d-%d" % (n, links, n + 1, links) for n in range(links)]
        lines += ["c%d-%d A 127.0.0.1" % (links, links)]
    # A number that becomes an address, one that does by a part of itself after one that is of no use, and one that has only that.
    address, part, useless = (
        '10 10 "u" "E2U+sip" "!^.*$!sip:office@here.%s:%d!"' % (ORIGIN, first.port),
        r'20 10 "u" "E2U+sip" "!^\\+4930(.*)$!sip:\\1@here.%s:%d!"' % (ORIGIN, second.port), '10 10 "u" "E2U+tel" "!^.*$!tel:+4930999!"')
    for number, records in (("+493012345", (address,)), ("+493077", (useless, part)), ("+49300", (useless,))):
        lines += ["%s NAPTR %s ." % (".".join(reversed(number[1:])), record) for record in records]
    # Far too many for a datagram: the answer is cut, and asked for again by TCP.
    lines += ["_sip._udp.many SRV 50 1 9 s%d" % n for n in range(500)]
    lines += ["_sip._udp.many SRV 10 1 %d here" % first.port]
    return "\n".join(lines) + "\n"


# RFC 3263 §4
def real_name_server(check, binary, folder):
    first, second = Peer(), Peer()
    with Knot(folder, whole(ORIGIN, zone(first, second))) as knot, Server(binary, folder, settings(knot.port) + ENUM) as server:
        found(check, server, first, second)
        nowhere(check, server)
        numbers(check, server, first, second)
        fails_over(check, server, first, second)
        resolve_command(check, server, first)
        dies(check, server, knot, first)
        check(server.child.alive() and not server.child.count("panicked at"), "the server stands", version())
    first.close()
    second.close()


def found(check, server, first, second):
    for what, name, peer in (
            ("SRV: the lower priority", "two", first), ("NAPTR leads to another SRV", "naptr", second),
            ("500 SRV records: by TCP, and the best one", "many", first)):
        before = peer.got
        status, took_s = ask(server, "sip:x@%s.%s" % (name, ORIGIN))
        check(status == 200 and peer.got == before + 1, what, "%s after %.1f s\n%s" % (status, took_s, server.child.tail()))
    for what, name in (("A with a port", "here"), ("a CNAME is followed", "alias"), ("seven of them too", "c0-7")):
        status, _ = ask(server, "sip:x@%s.%s:%d" % (name, ORIGIN, first.port))
        check(status == 200, what, "%s\n%s" % (status, server.child.tail()))


# RFC 3261 §21.4.5, §21.5.5
def nowhere(check, server):
    for what, name, statuses in (
            ("no such name is 404", "absent", (404,)), ("SRV with the root as target is 404", "none", (404,)),
            ("port 0 is 404", "zero", (404,)), ("a loop of CNAMEs ends: 404", "loop", (404,)),
            ("a chain of ten CNAMEs ends: 404", "c0-10", (404,))):
        status, took_s = ask(server, "sip:x@%s.%s" % (name, ORIGIN))
        check(status in statuses, what, "%s after %.1f s\n%s" % (status, took_s, server.child.tail()))


# RFC 6116 §3.2, §3.4, §3.6
def numbers(check, server, first, second):
    """A number is looked up: below the zone stands whose it is."""
    for what, number, status, peer in (
            ("ENUM: a number leads to the SIP address in its NAPTR", "+493012345", 200, first),
            ("ENUM: one with a part of the number in it, the second of two", "+493077", 200, second),
            ("ENUM: one that has no SIP address", "+49300", 404, None), ("ENUM: one that nobody has", "+4940", 404, None)):
        before = (first.got, second.got)
        got, took_s = ask(server, "sip:%s@%s" % (number, DOMAIN))
        sent = (first.got - before[0], second.got - before[1])
        check(got == status and sent == (int(peer is first), int(peer is second)), "%s: %d" % (what, status),
              "%s after %.1f s\n%s" % (got, took_s, server.child.tail()))


# RFC 3263 §4.3
def fails_over(check, server, first, second):
    first.status, before = 503, second.got
    status, _ = ask(server, "sip:x@two.%s" % ORIGIN)
    check(status == 200 and second.got == before + 1, "after 503 the next server", server.child.tail())
    seen = first.got
    status, _ = ask(server, "sip:x@two.%s" % ORIGIN)
    check(status == 200 and first.got == seen, "the dead one is passed over", server.child.tail())
    first.status, end = 200, time.monotonic() + 15
    while not server.child.count("answers again") and time.monotonic() < end:
        time.sleep(0.2)
    check(server.child.count("answers again"), "OPTIONS finds it alive", server.child.tail())


def resolve_command(check, server, first):
    argv = [server.binary, "resolve", "two." + ORIGIN, "--config", server.config]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    want = "1. udp 127.0.0.1:%d" % first.port
    check(done.returncode == 0 and want in done.stdout, "offhook resolve shows the way", done.stdout + done.stderr)
    argv[2] = "absent." + ORIGIN
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    check(done.returncode == 4, "and that there is none", done.stdout + done.stderr)


# RFC 8767 §4
def dies(check, server, knot, first):
    target = "sip:x@short.%s:%d" % (ORIGIN, first.port)
    check(ask(server, target)[0] == 200, "a name with a TTL of one second", server.child.tail())
    knot.kill()
    time.sleep(1.5)
    status, took_s = ask(server, target)
    check(status == 200, "its old answer helps while the name server is dead",
          "%s after %.1f s\n%s" % (status, took_s, server.child.tail()))
    status, took_s = ask(server, "sip:x@unknown.%s" % ORIGIN)
    check(status == 504, "what nobody knows is 504", "%s after %.1f s\n%s" % (status, took_s, server.child.tail()))


def misbehaving_name_server(check, binary, folder):
    """Slow, silent, truncated and lying; and one request does not wait for another's name."""
    peer = Peer()
    names = {
        "slow.test": (0.3, [address("127.0.0.1")]),
        "silent.test": (None, []),
        "cut.test": (0, [address("127.0.0.1")]),
        "self.test": (0, [cname("self.test")]),
        **{"c%d.test" % n: (0, [cname("c%d.test" % (n + 1))]) for n in range(10)},
        "c10.test": (0, [address("127.0.0.1")]),
        "_sip._udp.lie.test": (0, [srv(0, 0, "x.test"), srv(0, peer.port, "x.test"), srv(0, peer.port, ".")]),
        "x.test": (0, [address("0.0.0.0"), address("255.255.255.255"), address("127.0.0.1")]),
    }
    with Responder(names, truncated=("cut.test",)) as dns, Server(binary, folder, settings(dns.port)) as server:
        status, took_s = ask(server, "sip:x@slow.test:%d" % peer.port)
        check(status == 200 and took_s >= 0.3, "slow: the request waits", "%s after %.1f s" % (status, took_s))
        silent = []
        waiting = threading.Thread(target=lambda: silent.append(ask(server, "sip:x@silent.test:5060")))
        waiting.start()
        time.sleep(0.2)
        status, took_s = ask(server, "sip:x@slow.test:%d" % peer.port)
        check(status == 200 and took_s < 0.3, "nobody else waits meanwhile", "%s after %.1f s" % (status, took_s))
        waiting.join()
        check(silent[0][0] == 504, "silent: 504", str(silent))
        # RFC 2181 §9: what is cut off says nothing, and by TCP nobody is there.
        for what, uri, wanted in (
                ("cut off and never whole: 504", "sip:x@cut.test:%d" % peer.port, 504),
                ("a CNAME to itself: 404", "sip:x@self.test:5060", 404),
                ("CNAMEs, seven questions long", "sip:x@c3.test:%d" % peer.port, 200),
                ("CNAMEs, ten questions long: 404", "sip:x@c0.test:%d" % peer.port, 404),
                ("among lies the one true server", "sip:x@lie.test;transport=udp", 200)):
            status, took_s = ask(server, uri)
            check(status == wanted, what, "%s after %.1f s\n%s" % (status, took_s, server.child.tail()))
    inside(check, binary, folder, names, peer)
    peer.close()


def inside(check, binary, folder, names, peer):
    """By default a name does not lead to addresses of our own network."""
    folder = os.path.join(folder, "strict")
    os.makedirs(folder)
    with Responder(names) as dns, Server(binary, folder, settings(dns.port, private=False)) as server:
        before = peer.got
        status, _ = ask(server, "sip:x@slow.test:%d" % peer.port)
        check(status == 403 and peer.got == before, "a name that leads inside is 403", server.child.tail())
