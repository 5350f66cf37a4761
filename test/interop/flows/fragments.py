"""A large INVITE by UDP in fragments of IP: the loopback of a network of its own, where a packet carries 1,500 bytes."""

import os
import subprocess
import sys

INSIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fragments", "inside.py")
PATIENCE_S = 60

WANTED = {
    "ready": "the server starts in a network of its own",
    "ipv4": "1.8 kB by IPv4: taken whole and passed on whole, in fragments both times",
    "ipv6": "the same by IPv6",
}


# RFC 3261 §18.1.1
def large_invite(check, binary, folder):
    apart = ["unshare", "--net"] + (["--map-root-user"] if os.geteuid() else [])
    refused = subprocess.run(apart + ["true"], capture_output=True, text=True, check=False)
    if refused.returncode:
        # Root of a whole machine may always have a network of its own; in a container the system says who may.
        return check(True, "left out, for this system gives us no network of our own: " + refused.stderr.strip())
    inside = apart + [sys.executable, "-B", INSIDE, binary, folder]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    printed = done.stdout + done.stderr
    said = dict(line[5:].split(": ", 1) for line in done.stdout.splitlines() if line.startswith("case "))
    for name, what in WANTED.items():
        check(said.get(name) == "ok", what, printed)
    return None
