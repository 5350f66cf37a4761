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


# RFC 3261 §14, RFC 3264 §8.4, RFC 6086 §4.2, RFC 7118 §5
@table.row(table.HOLD, table.INFO)
def hold_and_keys(check, a, b):
    """a puts b on hold, takes the call back, and presses a key."""
    what = "%s calls %s" % (a, b)
    if not calls.up(check, a, b, what):
        return
    check(a.hold() and b.wait_held(), "%s: put on hold, by a re-INVITE" % what, tails(a, b))
    check(a.resume() and b.wait_resumed(), "%s: taken back" % what, tails(a, b))
    a.info("5")
    check(b.wait_dtmf("5"), "%s: a key by INFO" % what, tails(a, b))
    b.hangup()
    check(a.wait_down() and b.wait_down(), "%s; %s hangs up, both end" % (what, b), tails(a, b))


# RFC 3515 §2.4, RFC 5589 §6.1, RFC 7118 §5
@table.row(table.BLIND)
def blind_transfer(check, a, b, c):
    """a sends b on to c and is out of it."""
    what = "%s sends %s on to %s" % (a, b, c)
    if not calls.up(check, a, b, what):
        return
    a.transfer(c.account.aor)
    if check(c.wait_ring(), "%s: it rings" % what, tails(a, b, c)):
        c.answer()
        check(c.wait_up() and a.wait_down(), "%s: it is answered, and %s is out" % (what, a), tails(a, b, c))
        c.hangup()
        check(c.wait_down() and b.wait_down(), "%s: %s hangs up, both end" % (what, c), tails(a, b, c))


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
