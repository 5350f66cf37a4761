"""What browser phones do among themselves and with desk phones, as far as signalling goes."""

import time

from lab import table
from lab.baresip import Baresip
from lab.phone import tails
from lab.sipp import Sipp

from . import calls, ladders

TALK_S = 0.5


# RFC 7118 §8.2, RFC 3665 §3.3
@table.row(table.SIGNALLED)
def call(check, a, b, ends):
    """a calls b, and one of them, `ends`, hangs up."""
    what = "%s calls %s" % (a, b)
    if not calls.up(check, a, b, what):
        return
    time.sleep(TALK_S)
    ends.hangup()
    check(a.wait_down() and b.wait_down(), "%s; %s hangs up, both end" % (what, ends), tails(a, b))


# RFC 3428 §5, RFC 7118 §8
@table.row(table.MESSAGE)
def message(check, a, b, text):
    a.message(b.account.aor, text)
    check(b.wait_message(text), "%s writes to %s" % (a, b), tails(a, b))


# RFC 7118 §5, RFC 3665 §3.3
def with_desk_phones(check, lab, phone):
    """A desk phone, played by SIPp over UDP, says what a WebRTC phone would; another speaks no WebRTC and is refused."""
    sides = ladders.Pair(check, lab, "udp")
    ladders.register(sides)
    _to_a_desk_phone(check, lab, phone, sides, ".. 300\n-> BYE\n<- 200", lambda: None)
    _to_a_desk_phone(check, lab, phone, sides, "<- BYE\n-> 200", phone.hangup)
    _from_a_desk_phone(check, lab, phone, sides)
    with lab.phone(Baresip, "carol", "udp") as desk:
        calls.register(check, desk)
        calls.refused(check, desk, phone)


@table.row(table.SIGNALLED)
def _to_a_desk_phone(check, lab, phone, sides, end, then):
    what = "%s calls a desk phone; %s hangs up" % (phone, "the desk phone" if end.startswith("..") else "the browser")
    side = Sipp(lab.folder, sides.bob, "<- INVITE\n-> 180\n-> 200 webrtc\n<- ACK\n" + end, port=sides.bob_port)
    time.sleep(0.3)  # until it listens
    phone.dial(sides.bob.aor)
    up = phone.wait_up()
    then()
    over = up and phone.wait_down()
    check(over and side.done(), what, tails(phone) + "\n" + side.why())


def _from_a_desk_phone(check, lab, phone, sides):
    ladder = """
        -> INVITE webrtc
        <- 100 ?
        <- 407 challenge
        -> ACK
        -> INVITE webrtc auth
        <- 100 ?
        <- 180 ?
        <- 200
        -> ACK
        .. 300
        -> BYE
        <- 200
        """
    side = Sipp(lab.folder, sides.bob, ladder, to=phone.account.user)
    rings = phone.wait_ring()
    if rings:
        phone.answer()
    over = rings and phone.wait_down()
    check(over and side.done(), "a desk phone calls %s, and hangs up" % phone, tails(phone) + "\n" + side.why())
