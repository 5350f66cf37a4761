"""What people do with desk phones once a call is up: hold, keys, transfer; and what they write."""

import time

from lab import child, table
from lab.phone import tails

from . import calls

HOLD_S = 0.7
TALK_S = 1.8

# The shortest session timer that the server lets through, and what makes it do so.
MIN_SE_S = 120
TIMERS = "[session_timer]\nenabled = true\nexpires_s = 600\nmin_s = %d\n" % MIN_SE_S


# RFC 3261 §14, RFC 3264 §8.4, RFC 4733 §2.5, RFC 3665 §3.7
@table.row(table.HOLD, table.KEYS)
def hold_and_keys(check, a, b):
    """a puts b on hold and takes the call back; a key that is pressed on one side is heard on the other."""
    what = "%s calls %s" % (a, b)
    if not calls.up(check, a, b, what):
        return
    time.sleep(HOLD_S)
    held = a.hold() and child.wait_for(lambda: b.count("^a=(sendonly|inactive)"), 5)
    check(held, "%s: put on hold, by a re-INVITE" % what, tails(a, b))
    time.sleep(HOLD_S)
    check(a.resume(), "%s: taken back" % what, tails(a, b))
    time.sleep(TALK_S)
    for presses, hears, digit in ((a, b, "5"), (b, a, "8")):
        presses.dtmf(digit)
        check(hears.wait_dtmf(digit), "%s: %s presses %s, and %s hears it" % (what, presses, digit, hears), tails(a, b))
    b.hangup()
    check(a.wait_down() and b.wait_down(), "%s; %s hangs up, both end" % (what, b), tails(a, b))
    for listener, speaker in ((a, b), (b, a)):
        if listener.records_after_hold:
            calls.hears(check, listener, speaker, what)


# RFC 3515 §2.4, RFC 5589 §6.1
@table.row(table.BLIND)
def blind_transfer(check, a, b, c):
    """a sends b on to c: b calls c, and they hear each other."""
    what = "%s sends %s on to %s" % (a, b, c)
    if not calls.up(check, a, b, what):
        return
    time.sleep(HOLD_S)
    a.transfer(c.account.aor)
    if check(c.wait_ring(), "%s: it rings" % what, tails(a, b, c)):
        c.answer()
        check(c.wait_up(), "%s: it is answered" % what, tails(a, b, c))
    _ends_with(check, a, b, c, what)


# RFC 3891 §3, RFC 5589 §7.1
@table.row(table.ATTENDED)
def attended_transfer(check, a, b, c):
    """a calls b, then c, and puts them together: b calls c by an INVITE with Replaces."""
    what = "%s puts %s and %s together" % (a, b, c)
    if not calls.up(check, a, b, what):
        return
    a.hold()
    a.consult(c.account.aor)
    if check(c.wait_ring(), "%s: it rings" % what, tails(a, b, c)):
        c.answer()
        check(a.wait_up() and c.wait_up(), "%s: it is answered" % what, tails(a, b, c))
        time.sleep(HOLD_S)
        a.connect()
        replaced = child.wait_for(lambda: c.count("^Replaces: "), 8)
        check(replaced, "%s: the call of %s replaces that of %s" % (what, b, a), tails(a, b, c))
    _ends_with(check, a, b, c, what)


def _ends_with(check, a, b, c, what):
    """b and c talk, a is out of it, and c hangs up."""
    time.sleep(TALK_S + HOLD_S)
    a.hangup()
    c.hangup()
    check(c.wait_down() and b.wait_down(), "%s: %s hangs up, both end" % (what, c), tails(a, b, c))
    calls.hears(check, c, b, what)
    calls.hears(check, b, c, what)


# RFC 3428 §4, §5
@table.row(table.MESSAGE)
def message(check, a, b):
    text = "hello-from-%s" % a.account.user
    a.message(b.account.aor, text)
    check(b.wait_message(text), "%s writes to %s" % (a, b), tails(a, b))


# RFC 3428 §7, §8
@table.row(table.KEPT)
def message_kept(check, a, b):
    """b's phone is off while a writes to him: it is told once it is on."""
    text = "kept-for-%s" % b.account.user
    a.message(b.account.aor, text)
    check(child.wait_for(lambda: a.count(r"^SIP/2\.0 202 "), 5), "%s writes to %s, who has no phone: 202" % (a, b.account.user),
          tails(a))
    with b:
        calls.register(check, b)
        check(b.wait_message(text), "%s is switched on and gets it" % b, tails(a, b))


# RFC 5627 §4.3, §4.4, §6.1
@table.row(table.GRUU)
def gruu(check, a, b):
    """a, a Linphone, says its GRUU as the Contact of its INVITE; what b sends within the call goes to it and arrives."""
    what = "%s calls %s" % (a, b)
    if not calls.up(check, a, b, what):
        return
    own = r"<sip:%s@%s;gr=[^>]*>" % (a.account.user, a.account.domain)
    check(b.count(r"^INVITE sip:(?:.+\n)*?Contact: *" + own), "%s: the Contact is the GRUU of %s" % (what, a), tails(a, b))
    b.hangup()
    check(a.wait_down() and b.wait_down(), "%s; %s hangs up, both end" % (what, b), tails(a, b))
    gone = b.count(r"^BYE sip:%s@%s;gr=" % (a.account.user, a.account.domain))
    came = child.wait_for(lambda: a.count(r"^BYE sip:"), 5)
    check(gone and came, "%s; the BYE for the GRUU arrives" % what, "%s %s\n%s" % (gone, came, tails(a, b)))


# RFC 5627 §4.3, §6.1, RFC 6665 §4.3
@table.row(table.GRUU, table.WATCH)
def gruu_of_a_watcher(check, a, b):
    """a, a Linphone that watches b, says its GRUU in its SUBSCRIBE; the NOTIFYs of b go to it and arrive."""
    own = r"sip:%s@%s;gr=" % (a.account.user, a.account.domain)
    said = child.wait_for(lambda: b.count(r"^SUBSCRIBE sip:(?:.+\n)*?Contact: *<" + own), 8)
    check(said, "%s watches %s: the Contact is the GRUU" % (a, b), tails(a, b))
    gone = child.wait_for(lambda: b.count("^NOTIFY " + own), 8)
    came = child.wait_for(lambda: a.count("^NOTIFY sip:"), 8)
    check(gone and came, "%s tells %s, at the GRUU: NOTIFY arrives" % (b, a), "%s %s\n%s" % (gone, came, tails(a, b)))


# RFC 3262 §3, §4
@table.row(table.RELIABLE)
def reliable(check, a, b):
    """Both insist on 100rel: the 180 is acknowledged by PRACK."""
    what = "%s calls %s" % (a, b)
    if calls.up(check, a, b, what):
        heard = [a.count("^RSeq: "), b.count("^PRACK sip:"), b.count("^RAck: ")]
        check(all(heard), "%s: the 180 is acknowledged by PRACK" % what, "%s\n%s" % (heard, tails(a, b)))
        a.hangup()
        check(a.wait_down() and b.wait_down(), "%s; hung up" % what, tails(a, b))


# RFC 4028 §5, §6, §8.1
@table.row(table.TOO_SHORT)
def timed(check, a, b):
    """a proposes a shorter interval than the server lets through, is told so, and asks for as much as it should."""
    what = "%s calls %s" % (a, b)
    if calls.up(check, a, b, what):
        check(a.count(r"^SIP/2\.0 422 ") and a.count("^Min-SE: *%d" % MIN_SE_S), "%s: 90 s is answered 422 with Min-SE: %d" % (what, MIN_SE_S), tails(a))
        check(b.count("^Session-Expires: *%d" % MIN_SE_S), "%s: the next INVITE proposes that" % what, tails(a, b))
        agreed = a.count(r"^SIP/2\.0 200 (?:.+\n)*Session-Expires: *%d;refresher=" % MIN_SE_S)
        check(agreed, "%s: they agree, and on who refreshes" % what, tails(a, b))
        b.hangup()
        check(a.wait_down() and b.wait_down(), "%s; hung up" % what, tails(a, b))


# RFC 3261 §16.6, §16.12, RFC 6665 §4.3
@table.row(table.WATCH)
def watches(check, a, b):
    """a subscribes to b's presence at b's phone: SUBSCRIBE and NOTIFY pass, also those that come later in the dialog."""
    b.appear("online")
    a.watch(b.account.aor)
    check(a.wait_state(b.account.aor, "online"), "%s watches %s: SUBSCRIBE and NOTIFY pass" % (a, b), tails(a, b))
    b.appear("offline")
    check(a.wait_state(b.account.aor, "offline"), "%s is told that %s goes" % (a, b), tails(a, b))


# RFC 3261 §16.6, RFC 6665 §4.3
@table.row(table.WATCH)
def watches_a_contact(check, a, b):
    """a subscribes by itself to b, who is among its contacts."""
    said = child.wait_for(lambda: b.count("^SUBSCRIBE sip:") and b.count("^NOTIFY sip:"), 10)
    check(said, "%s watches %s: SUBSCRIBE comes, NOTIFY goes" % (a, b), tails(a, b))
    told = child.wait_for(lambda: a.count("^NOTIFY sip:(?:.+\n)*?Event: *presence"), 10)
    check(told, "%s is told about %s" % (a, b), tails(a, b))


# RFC 3261 §16.6, RFC 3311 §5
@table.row(table.INFO, table.UPDATE)
def info_and_update(check, a, b):
    """Requests within a dialog that are no re-INVITE."""
    what = "%s calls %s" % (a, b)
    if calls.up(check, a, b, what):
        a.info("7")
        check(b.wait_dtmf("7"), "%s: a key by INFO" % what, tails(a, b))
        b.update()
        passed = child.wait_for(lambda: a.count("^UPDATE sip:") and b.count(r"^CSeq: *\d+ UPDATE"), 5)
        check(passed, "%s: UPDATE passes" % what, tails(a, b))
        a.hangup()
        check(a.wait_down() and b.wait_down(), "%s; hung up" % what, tails(a, b))
