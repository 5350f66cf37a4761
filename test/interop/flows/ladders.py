"""Flows in which every message counts: RFC 3665 and neighbours, played by SIPp on both sides.

alice calls, bob is called. bob's side registers and listens on one port, as a phone does.
"""

import socket
import time

from lab import table
from lab.ports import free_port
from lab.sipp import Sipp

# Both of these begin a call: the first is challenged, the second is let through.
CHALLENGED = """
-> INVITE sdp
<- 100 ?
<- 407 challenge
-> ACK
-> INVITE sdp auth
<- 100 ?
"""
CHALLENGED_WITHOUT_OFFER = CHALLENGED.replace(" sdp", "")

ANSWERED = """
<- INVITE
-> 180
.. 100
-> 200 sdp
<- ACK
"""


class Pair:
    """alice's and bob's SIPp against one server over one transport."""

    column = "SIPp"

    def __init__(self, check, lab, transport, family=4, bobs_family=None):
        self.check, self.folder, self.bob_port = check, lab.folder, free_port()
        self.alice = lab.server.account("alice", transport, family=family)
        self.bob = lab.server.account("bob", transport, family=bobs_family or family)
        self.mallory = lab.server.account("alice", transport, password="wrong", family=family)
        self.way = transport, family
        self.account = lambda user: lab.server.account(user, transport, family=family)

    def alone(self, what, ladder, account=None, to=None, timeout_s=15, port=None):
        """One side plays against the server itself."""
        account = account or self.alice
        port = port or (self.bob_port if account is self.bob else None)
        side = Sipp(self.folder, account, ladder, to=to, port=port)
        self.check(side.done(timeout_s), what, side.why())

    def call(self, what, caller, called, calls=1, per_s=10, timeout_s=15):
        """alice calls bob, each side with its ladder."""
        bob = Sipp(self.folder, self.bob, called, port=self.bob_port, calls=calls)
        time.sleep(0.3)  # until it listens
        alice = Sipp(self.folder, self.alice, caller, to="bob", calls=calls, per_s=per_s)
        both = [alice.done(timeout_s + calls / per_s), bob.done(5)]
        why = "caller: %s\ncalled: %s" % (alice.why(), bob.why())
        self.check(all(both), what, why)
        return alice


# RFC 3665 §2.1, RFC 3261 §10.3
@table.row(table.REGISTER)
def register(pair):
    pair.alone("bob registers: challenged, then 200 with his Contact and the time", """
        -> REGISTER expires=120
        <- 401 challenge
        -> REGISTER auth expires=120
        <- 200 has=<sip:bob@%s:%d "has=Date: "
        """ % (pair.bob.bracketed, pair.bob_port), account=pair.bob)


# RFC 3665 §2.3, RFC 3261 §10.2.3
@table.row(table.UNREGISTER)
def ask_for_contacts(pair):
    pair.alone("bob asks where he is registered", """
        -> REGISTER no-contact
        <- 401 challenge
        -> REGISTER no-contact auth
        <- 200 has=<sip:bob@%s:%d
        """ % (pair.bob.bracketed, pair.bob_port), account=pair.bob)


# RFC 3665 §2.4, RFC 3261 §10.2.2
@table.row(table.UNREGISTER)
def unregister(pair):
    pair.alone("bob takes his registration back", """
        -> REGISTER expires=0
        <- 401 challenge
        -> REGISTER auth expires=0
        <- 200 lacks=<sip:bob@%s
        """ % pair.bob.bracketed, account=pair.bob)


# RFC 3665 §2.5
@table.row(table.WRONG_PASSWORD)
def register_with_wrong_password(pair):
    pair.alone("a wrong password is challenged again", """
        -> REGISTER expires=120
        <- 401 challenge
        -> REGISTER auth expires=120
        <- 401
        """, account=pair.mallory)


# RFC 3261 §22.3
@table.row(table.WRONG_PASSWORD)
def call_with_wrong_password(pair):
    pair.alone("an INVITE with a wrong password does not get through", CHALLENGED + """
        <- 407
        -> ACK
        """, account=pair.mallory, to="bob")


# RFC 3665 §3.3, RFC 3261 §16.12
@table.row(table.SIGNALLED)
def call(pair):
    pair.call("a call; the caller hangs up", CHALLENGED + """
        <- 180 ?
        <- 200
        -> ACK
        .. 300
        -> BYE
        <- 200
        """, ANSWERED + """
        <- BYE
        -> 200
        """)


# RFC 3665 §3.3, RFC 3261 §16.12
@table.row(table.SIGNALLED)
def called_hangs_up(pair):
    pair.call("a call; the called hangs up", CHALLENGED + """
        <- 180 ?
        <- 200
        -> ACK
        <- BYE
        -> 200
        """, ANSWERED + """
        .. 300
        -> BYE
        <- 200
        """)


# RFC 3665 §3.6
@table.row(table.LATE_OFFER)
def offer_in_200(pair):
    pair.call("a call with the offer in the 200 and the answer in the ACK", CHALLENGED_WITHOUT_OFFER + """
        <- 180 ?
        <- 200
        -> ACK sdp
        .. 300
        -> BYE
        <- 200
        """, ANSWERED + """
        <- BYE
        -> 200
        """)


# RFC 3665 §3.7
@table.row(table.HOLD)
def change_in_call(pair):
    pair.call("a re-INVITE within a call", CHALLENGED + """
        <- 180 ?
        <- 200
        -> ACK
        .. 300
        -> INVITE sdp
        <- 100 ?
        <- 200
        -> ACK
        .. 300
        -> BYE
        <- 200
        """, ANSWERED + """
        <- INVITE
        -> 200 sdp
        <- ACK
        <- BYE
        -> 200
        """)


# RFC 3665 §3.8, RFC 3261 §9.2
@table.row(table.GIVEN_UP)
def no_answer(pair):
    pair.call("nobody answers, the caller gives up", CHALLENGED + """
        <- 180
        -> CANCEL
        <- 200
        <- 487
        -> ACK
        """, """
        <- INVITE
        -> 180
        <- CANCEL
        -> 200
        -> 487
        <- ACK
        """)


# RFC 3665 §3.9
@table.row(table.REFUSED)
def busy(pair):
    pair.call("busy", CHALLENGED + """
        <- 180 ?
        <- 486
        -> ACK
        """, """
        <- INVITE
        -> 486
        <- ACK
        """)


# RFC 3665 §3.11
@table.row(table.UNAVAILABLE)
def unavailable(pair):
    pair.call("rings and is then unavailable", CHALLENGED + """
        <- 180
        <- 480
        -> ACK
        """, """
        <- INVITE
        -> 180
        .. 500
        -> 480
        <- ACK
        """)


# RFC 3261 §16.5
@table.row(table.UNKNOWN)
def unknown_user(pair):
    pair.alone("a call to nobody: 404", CHALLENGED + """
        <- 404
        -> ACK
        """, to="nobody")


# RFC 3261 §16.5
@table.row(table.NOBODY_HOME)
def nobody_home(pair):
    pair.alone("a call to a user without a phone: 480", CHALLENGED + """
        <- 480
        -> ACK
        """, to="carol")


# RFC 3261 §16.3
@table.row(table.NO_HOPS)
def too_many_hops(pair):
    pair.alone("a call without hops left: 483", """
        -> INVITE sdp max-forwards=0
        <- 483
        -> ACK
        """, to="bob")


# RFC 3428 §4
@table.row(table.MESSAGE)
def message(pair):
    pair.call("a message", """
        -> MESSAGE no-contact
        <- 407 challenge
        -> MESSAGE no-contact auth
        <- 100 ?
        <- 200
        """, """
        <- MESSAGE
        -> 200
        """)


# RFC 6665 §4.1, §4.2, RFC 3261 §16.6
@table.row(table.WATCH)
def watch(pair):
    pair.call("bob's phone is watched: SUBSCRIBE, NOTIFY, and the end of it", """
        -> SUBSCRIBE expires=60 "Event: presence"
        <- 407 challenge
        -> SUBSCRIBE auth expires=60 "Event: presence"
        <- 100 ?
        <- 200 "has=Expires: 60"
        <- NOTIFY "has=Subscription-State: active"
        -> 200
        -> SUBSCRIBE expires=0 "Event: presence"
        <- 100 ?
        <- 200
        <- NOTIFY "has=Subscription-State: terminated"
        -> 200
        """, """
        <- SUBSCRIBE "has=Event: presence"
        -> 200 "Expires: 60"
        .. 100
        -> NOTIFY "Event: presence" "Subscription-State: active;expires=60"
        <- 200
        <- SUBSCRIBE "has=Expires: 0"
        -> 200 "Expires: 0"
        .. 100
        -> NOTIFY "Event: presence" "Subscription-State: terminated;reason=timeout"
        <- 200
        """)


# RFC 3261 §16.12, RFC 6086 §4.2, RFC 3311 §5, RFC 3515 §2.4
@table.row(table.INFO, table.UPDATE, table.BLIND)
def within_a_call(pair):
    pair.call("INFO, UPDATE and REFER within a call", CHALLENGED + """
        <- 180 ?
        <- 200
        -> ACK
        -> INFO "Info-Package: foo"
        <- 200
        -> UPDATE sdp
        <- 200
        -> REFER "Refer-To: <sip:carol@sip.test>"
        <- 202
        <- NOTIFY "has=Event: refer"
        -> 200
        -> BYE
        <- 200
        """, ANSWERED + """
        <- INFO "has=Info-Package: foo"
        -> 200
        <- UPDATE has=m=audio
        -> 200 sdp
        <- REFER "has=Refer-To: <sip:carol@sip.test>"
        -> 202
        .. 100
        -> NOTIFY "Event: refer" "Subscription-State: terminated;reason=noresource"
        <- 200
        <- BYE
        -> 200
        """)


# RFC 3261 §11.2
@table.row(table.OPTIONS)
def ping(pair):
    pair.alone("OPTIONS to the server itself: 200", """
        -> OPTIONS
        <- 200
        """, to="")


LOAD_CALLS, LOAD_PER_S = 300, 100


# RFC 3261 §17.1, §17.2
@table.row(table.LOAD)
def load(pair):
    alice = pair.call("%d calls at %d a second" % (LOAD_CALLS, LOAD_PER_S), CHALLENGED + """
        <- 180 ?
        <- 200
        -> ACK
        .. 200
        -> BYE
        <- 200
        """, ANSWERED + """
        <- BYE
        -> 200
        """, calls=LOAD_CALLS, per_s=LOAD_PER_S)
    well, badly, again = alice.numbers()
    what = "… of which %d went well, %d badly; %d messages were sent again" % (well, badly, again)
    pair.check(again <= LOAD_CALLS // 50, what)


SILENT_S = 40  # Timer B is 32 s


# RFC 3665 §3.10, RFC 3261 §16.8, §17.1.1.2
@table.row(table.SILENT)
def no_response(pair):
    """bob's phone is registered but says nothing: the INVITE is sent again and again, then the caller is told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", pair.bob_port))
        pair.alone("a phone that says nothing: 408 after Timer B", CHALLENGED + """
            <- 408
            -> ACK
            """, to="bob", timeout_s=SILENT_S)
        invites = sum(request.startswith(b"INVITE ") for request in waiting(silent))
    pair.check(invites == 7, "the INVITE was sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s (%d times)" % invites)


def waiting(datagrams):
    """What lies unread in a socket."""
    datagrams.setblocking(False)
    while True:
        try:
            yield datagrams.recv(65536)
        except BlockingIOError:
            return


# Those in which addresses are written down.
ADDRESSES = (register, ask_for_contacts, call, called_hangs_up, no_answer, message, watch, ping, unregister)

QUICK = (register, ask_for_contacts, register_with_wrong_password, call_with_wrong_password, call, called_hangs_up,
         offer_in_200, change_in_call, no_answer, busy, unavailable, unknown_user, nobody_home, too_many_hops, message,
         watch, within_a_call,
         ping, load, unregister)
