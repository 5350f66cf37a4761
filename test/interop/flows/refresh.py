"""Session timers that really run: a call that is refreshed goes on, and one that nobody refreshes ends in its record.

    0 s     the call is up, with an interval of 90 s, the least there is (RFC 4028 §4)
    45 s    who refreshes does so
    60 s    who waits for it in vain hangs up (RFC 4028 §10)
    90 s    it has run out: where nobody hangs up, the record ends here
    122 s   … and is written, for until now a BYE might have been under way
"""

import json
import time

from lab import child, table
from lab.phone import tails

from . import calls

INTERVAL_S = 90
TIMERS = "[session_timer]\nenabled = true\nexpires_s = %d\nmin_s = %d\n" % (INTERVAL_S, INTERVAL_S)

# How much later than it should a busy machine may do something.
PATIENCE_S = 30
RECORD_S = 10
BYE_UNDER_WAY_S = 32
REFRESH = r"^(?:UPDATE|INVITE) sip:"
REFRESHED = r"^SIP/2\.0 200 (?:.+\n)*?CSeq: *\d+ (?:UPDATE|INVITE)$"


# RFC 4028 §7.4, §8.1, §9, §10
@table.row(table.REFRESH)
def refreshed(check, server, a, b):
    """The caller refreshes half way, b says 200, and the record ends with the call."""
    what, begun = _up(check, server, a, b)
    if not begun:
        return
    agreed = a.count(r"^SIP/2\.0 200 (?:.+\n)*?Session-Expires: *%d;refresher=uac" % INTERVAL_S)
    check(agreed, "%s: the caller is to refresh it every %d s" % (what, INTERVAL_S), tails(a, b))
    before = b.count(REFRESH), a.count(REFRESHED)
    came = child.wait_for(lambda: b.count(REFRESH) > before[0], INTERVAL_S / 2 + PATIENCE_S, 0.5)
    came_s = time.monotonic() - begun
    check(came and came_s > INTERVAL_S / 3, "%s: a refresh passes, after %.0f s" % (what, came_s), tails(a, b))
    answered = child.wait_for(lambda: a.count(REFRESHED) > before[1], 5)
    check(answered, "%s: it is answered 200" % what, tails(a, b))
    check(not _records(server), "%s: it has no record yet, for it goes on" % what)
    a.hangup()
    check(a.wait_down() and b.wait_down(), "%s; %s hangs up, both end" % (what, a), tails(a, b))
    _one_record(check, server, what, "caller", time.monotonic() - begun)


# RFC 4028 §10, RFC 3261 §15.1.1
@table.row(table.VANISH)
def caller_vanishes(check, server, a, b):
    """The caller, who should refresh, is gone without a word: the other one waits, hangs up, and that ends the record."""
    what, begun = _up(check, server, a, b)
    if not begun:
        return
    a.child.kill()
    down = b.wait_down(INTERVAL_S + PATIENCE_S)
    check(down, "%s, who vanishes: %s hangs up after %.0f s" % (what, b, time.monotonic() - begun), tails(b))
    _one_record(check, server, what, "callee", time.monotonic() - begun, 40)


# RFC 4028 §8.3
@table.row(table.VANISH)
def both_vanish(check, server, a, b):
    """Neither says a word any more: the record ends when the interval is over."""
    what, begun = _up(check, server, a, b)
    if not begun:
        return
    a.child.kill()
    b.child.kill()
    _one_record(check, server, "%s, both vanish" % what, "session-timer", INTERVAL_S, INTERVAL_S + BYE_UNDER_WAY_S + PATIENCE_S)


def _up(check, server, a, b):
    """What is called a call that is up, and since when; None if it is not."""
    what = "%s calls %s" % (a, b)
    calls.register(check, a, b)
    up = calls.up(check, a, b, what)
    return what, up and time.monotonic()


def _records(server):
    _, said = server.command("cdr", "list", "--json")
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def _one_record(check, server, what, ended_by, lasted_s, timeout_s=RECORD_S):
    child.wait_for(lambda: _records(server), timeout_s, 0.5)
    records = _records(server)
    said = [(record["outcome"], record["ended_by"], record["duration_ms"]) for record in records]
    good = len(said) == 1 and said[0][:2] == ("answered", ended_by)
    near = good and abs(said[0][2] / 1000 - lasted_s) < 5
    check(near, "%s: one record, answered, ended by %s, %.0f s" % (what, ended_by, lasted_s), str(records))
