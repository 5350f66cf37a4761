"""Who played which flow over which transport: noted as the flows run, and compared with what docs/interop.md says.

    @table.row(table.CALL)
    def call(check, a, b, ends): …      # a begins it: it goes into the column of a's program

A flow is noted under the phone that begins it. A page that says something else than what was played fails the run.
"""

import difflib
import functools
import threading

COLUMNS = ("baresip", "Linphone", "PJSUA", "SIPp", "JsSIP", "SIP.js")
WAYS = ("udp", "tcp", "tls", "ws", "wss")
BEGIN, END = "<!-- drawn by test/interop/run.py --draw -->\n", "<!-- end -->\n"

REGISTER = "registers"
UNREGISTER = "asks where it is registered; takes that back"
ALGORITHM = "answers the best challenge it knows"
WRONG_PASSWORD = "a wrong password: refused"
CALL = "a call, heard both ways; either side hangs up"
SIGNALLED = "a call, as far as signalling goes"
SRTP = "… with SRTP, its key in the SDP"
DTLS = "… with SRTP, its key by DTLS"
ZRTP = "… with ZRTP"
ICE = "… with ICE"
LATE_OFFER = "the offer in the 200"
REFUSED = "busy or declined: 486, 603"
GIVEN_UP = "given up while it rings: CANCEL, 487"
UNAVAILABLE = "rings, then 480"
SILENT = "the called phone is silent: 408"
UNKNOWN = "a call to nobody: 404"
NOBODY_HOME = "a call to a user without a phone: 480"
NO_HOPS = "no hops left: 483"
OPTIONS = "OPTIONS"
LOAD = "100 calls a second"
TWO_PHONES = "two phones of a user ring, one answers"
DEVICES = "early media of two devices; caller preferences; 302"
HOLD = "hold and back: re-INVITE"
KEYS = "keys: RFC 4733"
INFO = "keys: INFO"
UPDATE = "UPDATE"
RELIABLE = "100rel: PRACK"
BLIND = "blind transfer: REFER"
ATTENDED = "attended transfer: REFER, Replaces"
MESSAGE = "a message"
KEPT = "a message that waits for a phone"
WATCH = "phones watch each other: SUBSCRIBE, NOTIFY"
TOO_SHORT = "session timers: one that is too short, 422"
REFRESH = "session timers: refreshed while they talk"
VANISH = "session timers: phones vanish"
GRUU = "its Contact is a GRUU"
ACROSS = "from IPv4 to IPv6, and back"
KILLED = "the server is killed in a call"

ROWS = (
    REGISTER, UNREGISTER, ALGORITHM, WRONG_PASSWORD, CALL, SRTP, DTLS, ZRTP, ICE, SIGNALLED, LATE_OFFER, REFUSED, GIVEN_UP, UNAVAILABLE, SILENT,
    UNKNOWN, NOBODY_HOME, NO_HOPS, OPTIONS, LOAD, TWO_PHONES, DEVICES, HOLD, KEYS, INFO, UPDATE, RELIABLE, BLIND, ATTENDED,
    MESSAGE, KEPT, WATCH, TOO_SHORT, REFRESH, VANISH, GRUU, ACROSS, KILLED,
)

_played, _lock = {}, threading.Lock()


def row(*titles):
    """Marks a flow that belongs into these rows."""
    def mark(flow):
        @functools.wraps(flow)
        def noted(*arguments, **options):
            begins = next(argument for argument in arguments if hasattr(argument, "column"))
            with _lock:
                for title in titles:
                    _played.setdefault((title, begins.column), set()).add(begins.way)
            return flow(*arguments, **options)
        return noted
    return mark


def drawn():
    """The table of what was played so far."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += ["| %s | %s |" % (title, " | ".join(_cell(title, column) for column in COLUMNS)) for title in ROWS]
    return "\n".join(lines) + "\n"


def _cell(title, column):
    """Such as `udp tcp tls, 6: udp`: what stands behind the 6 went by IPv6."""
    ways = _played.get((title, column), ())
    by_family = [" ".join(way for way in WAYS if (way, family) in ways) for family in (4, 6)]
    return ", ".join(mark + found for mark, found in zip(("", "6: "), by_family) if found)


def compare(page):
    """What is wrong with the page, or nothing."""
    with open(page) as file:
        _, _, rest = file.read().partition(BEGIN)
    said, end, _ = rest.partition(END)
    if not end:
        return "%s has no table" % page
    changes = difflib.unified_diff(said.splitlines(), drawn().splitlines(), "the page", "what was played", lineterm="", n=0)
    return "\n".join(changes)


def draw(page):
    """Writes the table into the page."""
    with open(page) as file:
        before, _, rest = file.read().partition(BEGIN)
    _, _, after = rest.partition(END)
    with open(page, "w") as file:
        file.write(before + BEGIN + drawn() + END + after)
