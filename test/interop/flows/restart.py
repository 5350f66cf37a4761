"""The server dies in the middle of a call and comes back: what was answered 200 must still be true."""

import time

from flows import calls
from lab import table
from lab.phone import tails


# RFC 3261 §10.3
@table.row(table.KILLED)
def killed_during_a_call(check, server, a, b):
    """The call survives, both can hang up, and the next call needs no new registration."""
    calls.register(check, a, b)
    registers = a.registers_sent() + b.registers_sent()
    if not calls.up(check, a, b, "before"):
        return
    time.sleep(1)
    server.kill()
    check(not server.child.alive(), "the server is killed while they talk")
    time.sleep(1)
    server.start()
    check(server.child.alive(), "the server is back")
    time.sleep(1)
    b.hangup()
    check(a.wait_down() and b.wait_down(), "the call outlived it: %s hangs up, both end" % b, tails(a, b))
    for listener, speaker in ((a, b), (b, a)):
        calls.hears(check, listener, speaker, "across the death of the server")
    calls.call(check, a, b, ends=a)
    calls.call(check, b, a, ends=b)
    again = a.registers_sent() + b.registers_sent() - registers
    check(registers > 0 and again == 0, "nobody had to register again (%d did)" % again)
