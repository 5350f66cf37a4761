"""A user with several devices, played by SIPp: who rings, what each branch says before it answers, and where a call that
is sent on goes."""

import socket
import time

from lab import table
from lab.ports import free_port
from lab.sipp import Sipp

from . import ladders

# Both devices say something before one of them answers.
TWO_ANSWER_EARLY = """
-> INVITE sdp
<- 100 ?
<- 407 challenge
-> ACK
-> INVITE sdp auth "Supported: 100rel"
<- 100 ?
<- 183 early "has=RSeq: 11"
-> PRACK "RAck: 11 2 INVITE" no-contact
<- 200
<- 183 early "has=RSeq: 22"
-> PRACK "RAck: 22 2 INVITE" no-contact
<- 200
-> UPDATE sdp
<- 200
<- 200
-> ACK
.. 300
-> BYE
<- 200
"""

FIRST = """
<- INVITE "has=Supported: 100rel"
-> 183 sdp "Require: 100rel" "RSeq: 11"
<- PRACK "has=RAck: 11 2 INVITE"
-> 200
<- CANCEL
-> 200
-> 487
<- ACK
"""

SECOND = """
<- INVITE "has=Supported: 100rel"
.. 700
-> 183 sdp "Require: 100rel" "RSeq: 22"
<- PRACK "has=RAck: 22 2 INVITE"
-> 200
<- UPDATE "has=m=audio"
-> 200 sdp
.. 200
-> 200 sdp invite
<- ACK
<- BYE
-> 200
"""


# RFC 3262 §4, RFC 3311 §5, RFC 3261 §16.7
@table.row(table.DEVICES, table.RELIABLE, table.UPDATE)
def early_media_of_two(pair):
    """Two branches send early media reliably, and each is acknowledged by itself; the second is asked for something
    else by UPDATE, answers, and the first is cancelled."""
    ports = [free_port(), free_port()]
    for port in ports:
        device(pair, port, "")
    sides = [Sipp(pair.folder, pair.bob, ladder, port=port) for ladder, port in zip((FIRST, SECOND), ports)]
    time.sleep(0.3)
    sides.append(Sipp(pair.folder, pair.alice, TWO_ANSWER_EARLY, to="bob"))
    good = [side.done() for side in reversed(sides)]
    why = "\n".join("%s: %s" % (name, side.why()) for name, side in zip(("first", "second", "caller"), sides))
    pair.check(all(good), "early media of two branches: PRACK to each, UPDATE to one, the other is cancelled", why)
    forget(pair, ports)


def device(pair, port, features):
    """Registers one of bob's devices."""
    contact = '"Contact: <sip:bob@[local_ip]:[local_port];transport=[transport]>%s"' % features.replace('"', '\\"')
    pair.alone("bob registers a device%s" % features, """
        -> REGISTER expires=120 %s
        <- 401 challenge
        -> REGISTER expires=120 auth %s
        <- 200
        """ % (contact, contact), account=pair.bob, port=port)


def forget(pair, ports):
    for port in ports:
        pair.alone("bob takes a device away", """
            -> REGISTER expires=0
            <- 401 challenge
            -> REGISTER expires=0 auth
            <- 200
            """, account=pair.bob, port=port)


# RFC 3841 §7.2, RFC 3840 §9
@table.row(table.DEVICES)
def caller_preferences(pair):
    """A desk phone that has said which methods it knows, and a studio with a camera."""
    desk, studio = free_port(), free_port()
    device(pair, desk, ';audio;methods="INVITE,ACK,BYE,CANCEL,OPTIONS";+sip.instance="<urn:uuid:00000000-0000-4000-8000-0000000000d1>"')
    device(pair, studio, ';audio;video;+sip.instance="<urn:uuid:00000000-0000-4000-8000-0000000000d2>"')
    for wish, rings, silent in (
            ("Accept-Contact: *;video;require;explicit", studio, desk),
            ("Reject-Contact: *;video", desk, studio)):
        name = "studio" if rings == studio else "desk"
        _rings_alone(pair, "%s: the %s alone rings" % (wish, name), (BUSY % wish, "<- INVITE\n-> 486\n<- ACK"), rings, silent)
    _rings_alone(pair, "a message goes to the studio, for the desk phone knows none", (MESSAGE, "<- MESSAGE\n-> 200"), studio, desk)
    forget(pair, (desk, studio))


BUSY = """
-> INVITE sdp
<- 100 ?
<- 407 challenge
-> ACK
-> INVITE sdp auth "%s"
<- 100 ?
<- 486
-> ACK
"""

MESSAGE = """
-> MESSAGE no-contact
<- 407 challenge
-> MESSAGE no-contact auth
<- 100 ?
<- 200
"""


def _rings_alone(pair, what, sides, rings, silent):
    """The caller's ladder, and that of the device that rings; the other hears nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((pair.bob.host, silent))
        called = Sipp(pair.folder, pair.bob, sides[1], port=rings)
        time.sleep(0.3)
        caller = Sipp(pair.folder, pair.alice, sides[0], to="bob")
        good = [caller.done(), called.done(5)]
        heard = list(ladders.waiting(other))
    pair.check(all(good) and not heard, what, "caller: %s\ncalled: %s\nthe other: %s" % (caller.why(), called.why(), heard))


# RFC 3261 §16.7, §8.1.3.4
@table.row(table.DEVICES)
def sent_on(pair):
    """bob's phone forwards to carol: the proxy goes there itself, and the caller hears nothing of it."""
    carol, port = pair.account("carol"), free_port()
    ladder = """
        -> REGISTER expires=120
        <- 401 challenge
        -> REGISTER expires=120 auth
        <- 200
        """
    pair.alone("carol registers", ladder, account=carol, port=port)
    ladders.register(pair)
    forwards = Sipp(pair.folder, pair.bob, '<- INVITE\n-> 302 "Contact: <sip:carol@sip.test>"\n<- ACK', port=pair.bob_port)
    answers = Sipp(pair.folder, carol, ladders.ANSWERED + "<- BYE\n-> 200", port=port)
    time.sleep(0.3)
    caller = Sipp(pair.folder, pair.alice, ladders.CHALLENGED + """
        <- 180 ?
        <- 200
        -> ACK
        .. 300
        -> BYE
        <- 200
        """, to="bob")
    good = [caller.done(), answers.done(5), forwards.done(5)]
    why = "caller: %s\nbob: %s\ncarol: %s" % (caller.why(), forwards.why(), answers.why())
    pair.check(all(good), "bob's phone answers 302: carol's phone rings in its place", why)
    ladders.unregister(pair)
