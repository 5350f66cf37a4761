"""Calls over SCTP. The kernel of the machine that tests may not have it, so a small one with Debian's is booted."""

import os

from lab.machine import boot

INSIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sctp")

WANTED = {
    "without-the-module": "without the kernel's module the server says what is missing",
    "sctp-to-sctp": "SIPp calls SIPp, both by SCTP",
    "udp-to-sctp": "a caller by UDP, a callee by SCTP",
    "sctp-to-udp": "a caller by SCTP, a callee by UDP",
    "sctp-to-sctp-by-ipv6": "both by SCTP over IPv6",
    "sctp-ipv4-to-ipv6": "from IPv4 to IPv6",
}


# RFC 4168 §5, RFC 4168 §5.1
def in_a_machine(check, binary, _folder):
    printed = boot(binary, INSIDE)
    # What the machine's own start has left on the screen may stand before the first one.
    cases = [line.partition("case ")[2] for line in printed if "case " in line]
    said = dict(case.split(": ", 1) for case in cases if ": " in case)
    for name, what in WANTED.items():
        check(said.get(name) == "ok", what, "\n".join(printed[-80:]))
