"""Calls whose sound is encrypted, and calls with candidates. The phones agree on it in what the server passes on untouched, and
talk to each other without it: each must hear the other."""

from lab import table
from lab.phone import tails

from . import calls


# RFC 3261 §16.6, RFC 4568 §5.1
@table.row(table.SRTP)
def srtp(check, a, b):
    _call(check, a, b, r"^a=crypto:")


# RFC 3261 §16.6, RFC 5763 §5
@table.row(table.DTLS)
def dtls(check, a, b):
    _call(check, a, b, r"^a=fingerprint:")


# RFC 3261 §16.6, RFC 6189 §8
@table.row(table.ZRTP)
def zrtp(check, a, b):
    _call(check, a, b, r"^a=zrtp-hash:")


# RFC 3261 §16.6, RFC 8839 §4.4
@table.row(table.ICE)
def ice(check, a, b):
    _call(check, a, b, r"^a=candidate:")


def _call(check, a, b, line):
    calls.register(check, a, b)
    calls.call(check, a, b, ends=b)
    check(a.count(line) and b.count(line), "%s calls %s: both say %s" % (a, b, line[1:]), tails(a, b))
