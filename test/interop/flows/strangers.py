"""Scanners as they come to every public server: SIPVicious walks through names and guesses passwords."""

import os
import subprocess

from lab.child import wait_for
from lab.server import Server, password_of
from lab.sipp import Sipp

# The tools come from this address, and the phones of people from another.
SOURCE, ELSEWHERE = "127.0.0.1", "127.0.0.66"

# This machine is exempt by default, and here it is the attacker.
STRICT = '[log]\nlevel = "debug"\n[abuse]\nexempt = []\n%s'
# Sooner than by default, so that the test is short.
NAMELESS = "scanners = []\nfailures_max = 8\n"

WORDS = 400
REGISTER = "-> REGISTER expires=60\n<- 401 challenge\n-> REGISTER expires=60 auth\n<- 200"


def scanners(check, binary, folder):
    """First a scanner that says what it is, then one whose name nobody knows."""
    words = os.path.join(folder, "words")
    with open(words, "w") as file:
        # The right one stands at the end: who is let go on finds it.
        file.write("".join("guess-%d\n" % n for n in range(WORDS)) + password_of("alice") + "\n")
    with Server(binary, _folder(folder, "named"), STRICT % "") as server:
        named(check, server)
    with Server(binary, _folder(folder, "nameless"), STRICT % NAMELESS) as server:
        guesses(check, server, folder, words)


# RFC 3261 §26.1.5
def named(check, server):
    """Who calls himself friendly-scanner hears nothing at all."""
    said = _run(server, "svmap")
    check("found nothing" in said, "svmap finds no server", said)
    silenced = wait_for(lambda: server.child.count("request.scanning"), 5)
    check(silenced, "the log says that a scanner was dropped", server.child.tail())


# RFC 3261 §22, §26.1.5
def guesses(check, server, folder, words):
    """Under a name that nobody knows he is silenced and banned; the ban is seen, and lifted."""
    names = os.path.join(folder, "names")
    with open(names, "w") as file:
        file.write("alice\nbob\nnobody\n")
    said = _run(server, "svwar", "-d", names, "--domain=sip.test", "--maximumtime=2")
    check("unknown extension" in said and "| alice" not in said, "svwar hears the same for everybody", said)
    said = _run(server, "svcrack", "-u", "alice", "-d", words, "--domain=sip.test", "--maximumtime=2")
    check(password_of("alice") not in said, "svcrack, with the right password in its list, does not find it", said)
    banned = wait_for(lambda: SOURCE in server.command("ban", "list")[1], 10, every_s=0.3)
    _, listed = server.command("ban", "list")
    check(banned and "wrong-password" in listed, "offhook ban list shows him", listed)
    phone = Sipp(folder, server.account("alice", "udp"), REGISTER, host=ELSEWHERE)
    check(phone.done(), "the user's own phone, at another address, registers meanwhile", phone.why())
    code, said = server.command("ban", "lift", SOURCE)
    check(code == 0 and SOURCE not in server.command("ban", "list")[1], "offhook ban lift lets him in again", said)
    phone = Sipp(folder, server.account("bob", "udp"), REGISTER)
    check(phone.done(), "a phone at his address registers then", phone.why())


def _run(server, program, *words):
    """What one of the tools says about the server, within half a minute."""
    argv = [program, "-p", str(server.port), *words, server.host]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
        return done.stdout + done.stderr
    except subprocess.TimeoutExpired as late:
        return "not over in time: %s %s" % (late.stdout, late.stderr)


def _folder(folder, name):
    path = os.path.join(folder, name)
    os.makedirs(path)
    return path
