"""Calls between two phones as people make them, with a tone of its own from each side."""

import time

from lab import sound, table
from lab.phone import tails

TALK_S = 2.5
HEARD_MIN_S = 1.0


# RFC 3665 §2.1
def register(check, *phones):
    """Every phone is challenged, answers with its password, and is registered."""
    return all([_registers(check, phone) for phone in phones])


@table.row(table.REGISTER)
def _registers(check, phone):
    return check(phone.wait_registered(), "%s registers" % phone, tails(phone))


# RFC 8760 §2.4, RFC 7616 §3.4
@table.row(table.ALGORITHM)
def answers_with(check, phone, algorithm):
    """Of the challenges offered, the phone answers the best it knows."""
    used = phone.digest_algorithms()
    check(used == {algorithm}, "%s answers challenges with %s" % (phone, ", ".join(used)))


# RFC 3665 §2.5
@table.row(table.WRONG_PASSWORD)
def wrong_password(check, phone):
    """A phone with the wrong password is refused."""
    check(phone.wait_not_registered(), "%s with a wrong password is refused" % phone, tails(phone))


# RFC 3261 §16.4, §16.6, §16.7, RFC 3665 §3.3
@table.row(table.CALL)
def call(check, a, b, ends):
    """a calls b, both hear each other, and one of them, `ends`, hangs up."""
    what = "%s calls %s" % (a, b)
    if not up(check, a, b, what):
        return
    time.sleep(TALK_S)
    ends.hangup()
    check(a.wait_down() and b.wait_down(), "%s; %s hangs up, both end" % (what, ends), tails(a, b))
    hears(check, b, a, what)
    hears(check, a, b, what)


def up(check, a, b, what):
    """Brings a call up."""
    a.dial(b.account.aor)
    if not check(b.wait_ring(), "%s: it rings" % what, tails(a, b)):
        a.hangup()
        return False
    b.answer()
    if not check(a.wait_up() and b.wait_up(), "%s: it is answered" % what, tails(a, b)):
        a.hangup()
        return False
    return True


def hears(check, listener, speaker, what):
    """The last recording of the one holds the tone of the other."""
    heard_s = sound.seconds_of(listener.recordings(), speaker.tone_hz)
    check(heard_s >= HEARD_MIN_S, "%s: %s hears %s for %.1f s" % (what, listener, speaker, heard_s))


# RFC 3665 §3.9
@table.row(table.REFUSED)
def refused(check, a, b):
    """b refuses; the caller learns that it did and with which answer."""
    what = "%s calls %s" % (a, b)
    a.dial(b.account.aor)
    check(b.wait_ring(), "%s: it rings" % what, tails(a, b))
    b.reject()
    over = a.wait_refused(b.reject_status) and b.wait_down()
    check(over, "%s: refused with %d" % (what, b.reject_status), tails(a, b))


# RFC 3261 §9, §16.10, RFC 3665 §3.8
@table.row(table.GIVEN_UP)
def given_up(check, a, b):
    """Nobody answers, the caller gives up, and the other phone stops ringing."""
    what = "%s calls %s" % (a, b)
    a.dial(b.account.aor)
    check(b.wait_ring(), "%s: it rings" % what, tails(a, b))
    time.sleep(1)
    a.hangup()
    check(a.wait_down() and b.wait_down(), "%s: given up, both stop" % what, tails(a, b))


# RFC 3261 §16.5
@table.row(table.UNKNOWN)
def unknown_user(check, a):
    """A call to nobody is answered 404."""
    a.dial("sip:nobody@%s" % a.account.domain)
    check(a.wait_refused(404), "%s calls an unknown user: 404" % a, tails(a))


# RFC 3261 §16.5
@table.row(table.NOBODY_HOME)
def nobody_home(check, a, user):
    """A call to a user without a phone is answered 480."""
    a.dial("sip:%s@%s" % (user, a.account.domain))
    check(a.wait_refused(480), "%s calls %s, who has no phone: 480" % (a, user), tails(a))


# RFC 3261 §16.6, §16.7
@table.row(table.TWO_PHONES)
def two_phones(check, a, answers, other):
    """Both phones of a user ring; one answers, the other stops."""
    what = "%s calls two phones" % a
    a.dial(answers.account.aor)
    check(answers.wait_ring() and other.wait_ring(), "%s: both ring" % what, tails(a, answers, other))
    answers.answer()
    check(a.wait_up() and answers.wait_up(), "%s: %s answers" % (what, answers), tails(a, answers))
    check(other.wait_down(), "%s: %s stops ringing" % (what, other), tails(other))
    a.hangup()
    check(a.wait_down() and answers.wait_down(), "%s: hung up" % what, tails(a, answers))
