"""IPv6, and calls from one family to the other."""

import time

from lab import table
from lab.sipp import Sipp
from lab.phone import tails

from . import calls, ladders

TALK_S = 1.0


# RFC 3261 §16.6, §19.1.2
def by_ipv6(check, lab, kind, transports):
    """Two phones of one kind on IPv6, over each transport."""
    for transport in transports:
        with lab.phone(kind, "bob", transport, family=6) as bob, lab.phone(kind, "alice", transport, family=6) as alice:
            calls.register(check, alice, bob)
            calls.call(check, alice, bob, ends=bob)


# RFC 3261 §16.6, §16.12, RFC 6157 §3.1
@table.row(table.ACROSS)
def across(check, a, b):
    """A phone on IPv4 calls one on IPv6, or the other way: what the phones say to each other arrives; their sound would
    need somebody in between."""
    what = "%s on IPv%d calls %s on IPv%d" % (a, a.account.family, b, b.account.family)
    if not calls.up(check, a, b, what):
        return
    routes = b.count(r"^Record-Route: .*127\.0\.0\.1"), b.count(r"^Record-Route: .*\[::1\]")
    check(all(routes), "%s: two Record-Routes, one of each family" % what, "%s\n%s" % (routes, b.trace()[-3000:]))
    time.sleep(TALK_S)
    b.hangup()
    check(a.wait_down() and b.wait_down(), "%s; %s hangs up, both end" % (what, b), tails(a, b))


# RFC 3261 §16.6, §16.12, RFC 5658 §4
@table.row(table.ACROSS)
def ladder_across(pair):
    """Every message of a call across, with each side's own address first in its route."""
    ladders.register(pair)
    own = {6: "[::1]:%d", 4: "127.0.0.1:%d"}
    alices, bobs = (own[account.family] % account.port for account in (pair.alice, pair.bob))
    both = "has=%s has=%s" % (alices, bobs)
    families = pair.alice.family, pair.bob.family
    pair.call("a call from IPv%d to IPv%d; the caller hangs up" % families, ladders.CHALLENGED + """
        <- 180 ?
        <- 200 %s
        -> ACK
        .. 300
        -> BYE
        <- 200
        """ % both, """
        <- INVITE %s
        -> 180
        -> 200 sdp
        <- ACK
        <- BYE
        -> 200
        """ % both)
    pair.call("a call from IPv%d to IPv%d; the called hangs up" % families, ladders.CHALLENGED + """
        <- 180 ?
        <- 200
        -> ACK
        <- BYE
        -> 200
        """, ladders.ANSWERED + """
        .. 300
        -> BYE
        <- 200
        """)
    ladders.no_answer(pair)
    ladders.message(pair)
    ladders.unregister(pair)
