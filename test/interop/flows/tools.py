"""The small tools that people ask a server with: sipsak, and sip-options of Sofia-SIP."""

import subprocess

from lab.ports import free_port
from lab.server import Server, password_of

# sipsak writes only four digits of a port into its Request-URI.
FOUR_DIGITS = range(5100, 9900)


# RFC 3261 §11.2, §10.2, §22
def ask(check, binary, folder):
    with Server(binary, folder, port=free_port(FOUR_DIGITS)) as server:
        own, alice = "sip:%s:%d" % (server.host, server.port), "sip:alice@%s:%d" % (server.host, server.port)
        for transport in ("udp", "tcp"):
            code, said = _run("sip-options", "%s;transport=%s" % (own, transport))
            check(code == 0 and "200 OK" in said, "sip-options asks by %s" % transport.upper(), said)
        code, said = _run("sipsak", "-v", "-s", own)
        check(code == 0, "sipsak asks", said)
        code, said = _run("sipsak", "-v", "-s", alice)
        check(code != 0 and "480" in said, "sipsak asks for alice, who has no phone", said)
        register = ("sipsak", "-v", "-U", "-x", "60", "-s", alice, "-u", "alice", "-a")
        code, said = _run(*register, "wrong")
        check(code != 0 and "SIP/2.0 401" in said, "sipsak does not register with a wrong password", said)
        code, said = _run(*register, password_of("alice"))
        check(code == 0, "sipsak registers with the right one", said)


def _run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr
