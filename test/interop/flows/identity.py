"""Who calls, as a trusted and another trunk hear it, and session timers where one side knows none: by SIPp."""

import time

from lab import table
from lab.ports import free_port
from lab.server import Server
from lab.sipp import Sipp

from . import ladders

# Addresses of trunks, apart from that of the phones: what comes from a trusted one is believed.
TRUSTED, CHEAP = "127.0.0.7", "127.0.0.8"

SETTINGS = """
[[trunk]]
name = "provider"
targets = [{ to = "sip:127.0.0.7:%d" }]
peers = ["127.0.0.7"]
trusted = true

[[trunk]]
name = "cheap"
targets = [{ to = "sip:127.0.0.8:%d" }]
peers = ["127.0.0.8"]

[[route]]
match = { prefix = "00" }
trunk = "provider"

[[route]]
match = { prefix = "01" }
trunk = "cheap"
"""

# A caller who does not want to be known, and who says of himself what only a trusted neighbour may.
ANONYMOUS = """
-> INVITE sdp
<- 100 ?
<- 407 challenge
-> ACK
-> INVITE sdp auth "From: <sip:anonymous@anonymous.invalid>" "Privacy: id" "P-Asserted-Identity: <sip:king@sip.test>" "P-Preferred-Identity: <sip:queen@sip.test>"
<- 100 ?
<- 180 ?
<- 200 lacks=P-Asserted-Identity
-> ACK
.. 200
-> BYE
<- 200
"""

CALLED = """
<- INVITE %s
-> 180
-> 200 sdp "P-Asserted-Identity: <sip:callee@provider.test>" "Privacy: id"
<- ACK
<- BYE
-> 200
"""


class Trunks:
    """A server with two trunks, and alice."""

    def __init__(self, check, server, folder, ports):
        self.check, self.server, self.folder, self.ports = check, server, folder, ports

    def call(self, what, number, host, port, expects):
        alice = self.server.account("alice", "udp")
        called = Sipp(self.folder, self.server.account("bob", "udp"), CALLED % expects, port=port, host=host)
        time.sleep(0.3)
        caller = Sipp(self.folder, alice, ANONYMOUS, to=number)
        good = [caller.done(), called.done(5)]
        self.check(all(good), what, "caller: %s\ntrunk: %s" % (caller.why(), called.why()))


# RFC 3325 §5, §7, §9.3, RFC 3323 §5
def trusted_and_not(check, binary, folder):
    ports = free_port(), free_port()
    with Server(binary, folder, SETTINGS % ports) as server:
        trunks = Trunks(check, server, folder, ports)
        trunks.call("a trusted trunk hears who the anonymous caller is, and not what he says of himself", "00123", TRUSTED, ports[0],
                    '"has=P-Asserted-Identity: <sip:alice@sip.test>" "has=Privacy: id" lacks=king lacks=queen')
        trunks.call("another trunk does not", "01123", CHEAP, ports[1],
                    '"has=Privacy: id" lacks=P-Asserted-Identity lacks=alice@sip.test lacks=king lacks=queen')
        from_trunks(check, server, folder, ports)


# RFC 3325 §6, §9.1
def from_trunks(check, server, folder, ports):
    """What a trunk says about its caller reaches the other trusted ones if it is trusted itself, and no phone."""
    pair = ladders.Pair(check, Lab(server, folder), "udp")
    ladders.register(pair)
    for host, what in ((TRUSTED, "a phone is not told whom a trusted trunk asserts, for he wishes privacy"),
                       (CHEAP, "what another trunk asserts reaches nobody")):
        called = Sipp(folder, pair.bob, "<- INVITE lacks=P-Asserted-Identity\n-> 486\n<- ACK", port=pair.bob_port)
        time.sleep(0.3)
        caller = Sipp(folder, pair.alice, """
            -> INVITE sdp "P-Asserted-Identity: <sip:+4930@provider.test>" "Privacy: id"
            <- 100 ?
            <- 486
            -> ACK
            """, to="bob", host=host)
        good = [caller.done(), called.done(5)]
        check(all(good), what, "trunk: %s\nphone: %s" % (caller.why(), called.why()))


class Lab:
    """What a pair of ladders wants to know."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder


# RFC 4028 §8.1, §8.2
@table.row(table.TOO_SHORT)
def session_timers(pair):
    """What the server adds where the phones differ, with [session_timer] as in `desk.TIMERS`."""
    ladders.register(pair)
    pair.alone("90 s is too short: 422 with Min-SE", """
        -> INVITE sdp
        <- 100 ?
        <- 407 challenge
        -> ACK
        -> INVITE sdp auth "Supported: timer" "Session-Expires: 90"
        <- 100 ?
        <- 422 "has=Min-SE: 120"
        -> ACK
        """, to="bob")
    pair.call("a phone that knows no timers is called: the caller is told to refresh", """
        -> INVITE sdp
        <- 100 ?
        <- 407 challenge
        -> ACK
        -> INVITE sdp auth "Supported: timer"
        <- 100 ?
        <- 180 ?
        <- 200 "has=Session-Expires: 600;refresher=uac" "has=Require: timer"
        -> ACK
        .. 300
        -> BYE
        <- 200
        """, """
        <- INVITE "has=Session-Expires: 600"
        -> 180
        -> 200 sdp
        <- ACK
        <- BYE
        -> 200
        """)
    ladders.unregister(pair)
