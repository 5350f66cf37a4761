"""A provider that wants a registration and asks for credentials, played by SIPp."""

import os

from lab.ports import free_port
from lab.provider import PASSWORD, REALM, USER, Provider, farewell, gateway, registrar
from lab.server import Server
from lab.sipp import Sipp

SETTINGS = """
[[trunk]]
name = "provider"
targets = [{ to = "sip:127.0.0.1:%d" }]
domain = "%s"
user = "%s"
password = "%s"
register = true

[[route]]
name = "abroad"
match = { prefix = "00" }
strip = 2
prepend = "+"
trunk = "provider"
"""

CALL = """
-> INVITE sdp
<- 100 ?
<- 407 challenge
-> ACK
-> INVITE sdp auth
<- 100 ?
<- 180 lacks=WWW-Authenticate
<- 200
-> ACK
.. 300
-> BYE
<- 200
"""


def provider(check, binary, folder):
    """Registers, calls out, is killed, registers again, and says goodbye."""
    port = free_port()
    part = Provider(folder, port, registrar())
    with Server(binary, folder, SETTINGS % (port, REALM, USER, PASSWORD)) as server:
        check(part.done(), "it registers, with credentials", part.why())
        check(server.child.expect("is registered at provider", 5, from_start=True), "the log says so", server.child.tail())
        calls_out(check, server, folder, port)
        part = Provider(folder, port, registrar())
        server.kill()
        server.start()
        check(part.done(), "after a kill it registers again", part.why())
        part = Provider(folder, port, farewell())
        server.child.stop()
        check(part.done(), "a stop takes the registration back", part.why())
        check(not server.child.count("panicked at"), "nothing broke", server.child.tail())


# RFC 3261 §22.3, §16.6
def calls_out(check, server, folder, port):
    part = Provider(folder, port, gateway())
    alice = Sipp(folder, server.account("alice", "udp"), CALL, to="004930999")
    both = [alice.done(), part.done(5)]
    check(all(both), "a call: the provider's challenges are answered, the caller sees his own server's alone",
          "caller: %s\nprovider: %s" % (alice.why(), part.why()))
    argv = [server.binary, "route", "alice", "004930999", "--config", server.config]
    said = os.popen(" ".join(argv)).read()
    check("answers a challenge of %s there as %s" % (REALM, USER) in said, "the dry run knows", said)
