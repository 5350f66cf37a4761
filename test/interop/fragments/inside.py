"""Runs in a network of its own. Each `case NAME: RESULT` is read by whoever started it."""

import fcntl
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab.server import LOOPBACK, Server  # noqa: E402

# What Ethernet carries. The loopback has 65,536, so nothing would ever be cut.
MTU_BYTES = 1500
SUBJECT = "x" * 1800
OPEN = "[access]\nauthenticate_register = false\nauthenticate_calls = false\n"

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, IFF_UP = 0x8913, 0x8914, 0x8922, 1


def set_up_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        def ask(what, value):
            return fcntl.ioctl(any_socket, what, struct.pack("16si12x", b"lo", value))
        ask(SIOCSIFMTU, MTU_BYTES)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16s16x", b"lo")))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def reassembled(family):
    """Datagrams that this network's kernel has put together so far."""
    if family == 6:
        with open("/proc/net/snmp6") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Ip6ReasmOKs"))
    with open("/proc/net/snmp") as file:
        names, values = [line.split() for line in file if line.startswith("Ip:")]
    return int(values[names.index("ReasmOKs")])


def phone(family):
    one = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((LOOPBACK[family], 0))
    one.settimeout(10)
    return one


def request(method, uri, own, more):
    host, port = own[:2]
    at = "[%s]:%d" % (host, port) if ":" in host else "%s:%d" % (host, port)
    return (
        "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK-%d-%s\r\nMax-Forwards: 70\r\n"
        "From: <sip:bob@sip.test>;tag=%d\r\nTo: <sip:bob@sip.test>\r\nCall-ID: %s-%d\r\nCSeq: 1 %s\r\n"
        "Contact: <sip:bob@%s>\r\n%sContent-Length: 0\r\n\r\n"
        % (method, uri, at, port, method, port, method, port, method, at, more)).encode()


def large_invite(server, family):
    """A registered phone gets an INVITE that fits into no packet, byte for byte, and so did the server."""
    alice, bob = phone(family), phone(family)
    there = (LOOPBACK[family], server.port)
    bob.sendto(request("REGISTER", "sip:sip.test", bob.getsockname(), "Expires: 60\r\n"), there)
    registered = bob.recv(65535)
    if not registered.startswith(b"SIP/2.0 200"):
        return "not registered: %r" % registered
    before = reassembled(family)
    alice.sendto(request("INVITE", "sip:bob@sip.test", alice.getsockname(), "Subject: %s\r\n" % SUBJECT), there)
    invite = bob.recv(65535).decode()
    if not re.match("INVITE sip:bob@", invite) or "Subject: %s\r\n" % SUBJECT not in invite:
        return "not whole: " + invite
    count = reassembled(family) - before
    return "ok" if count == 2 else "%d datagrams came in fragments, not 2" % count


def main(binary, folder):
    set_up_loopback()
    with Server(binary, folder, OPEN) as server:
        print("case ready: ok", flush=True)
        for family in (4, 6):
            print("case ipv%d: %s" % (family, large_invite(server, family)), flush=True)
            # Nobody answers: the next phone shall be called alone.
        print(server.child.tail())


main(*sys.argv[1:])
