"""Calls whose sound is encrypted, and calls with candidates. The phones agree on it in what the server passes on untouched, and
talk to each other without it: each must hear the other."""

import re

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
    check(_is_in(b, "INVITE ", line), "%s calls %s: the offer says %s" % (a, b, line[1:]), tails(a, b))
    check(_is_in(a, "SIP/2.0 200 ", line), "%s calls %s: the answer says %s" % (a, b, line[1:]), tails(a, b))


def _is_in(phone, start, line):
    """Whether such a message has passed that has such a line."""
    return any(message.startswith(start) and re.search("(?m)" + line, message) for message in phone.messages())
