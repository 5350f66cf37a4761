"""A provider by SIPp: a registrar and a gateway that ask for credentials, and insist on numbers that rise."""

import os
import time

from .child import Child

REALM, USER, PASSWORD = "provider.test", "4930123", "correct horse"

SCENARIO = '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE scenario SYSTEM "sipp.dtd"><scenario name="provider">\n%s</scenario>\n'

ANSWER = """<send><![CDATA[
SIP/2.0 %s
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:]%s
[last_Call-ID:]
[last_CSeq:]
%sContent-Length: 0

]]></send>
"""


def has(text):
    """The request must have this, or the run has failed."""
    return '<ereg regexp="%s" search_in="msg" check_it="true" assign_to="seen"/>' % text


class Part:
    """What the provider does, message by message."""

    def __init__(self):
        self._steps, self._proofs, self._tag = [], 0, ";tag=[pid]p[call_number]"

    def asked(self, method, *texts):
        """This request must come, with these texts in it."""
        self._steps.append('<recv request="%s"><action>%s</action></recv>\n' % (method, "".join(map(has, texts))))
        return self

    def proved(self, method, *texts):
        """The same, and its credentials must be right."""
        self._proofs += 1
        verify = '<verifyauth assign_to="proved" username="%s" password="%s"/>' % (USER, PASSWORD)
        actions = "".join(map(has, texts)) + verify
        wrong = has("the right password, which it has not")
        self._steps.append('<recv request="%s"><action>%s</action></recv>\n' % (method, actions))
        self._steps.append('<nop next="right%d" test="proved"/>\n' % self._proofs)
        self._steps.append('<nop><action>%s</action></nop><label id="right%d"/>\n' % (wrong, self._proofs))
        return self

    def says(self, status, more=""):
        """Its answer."""
        self._steps.append(ANSWER % (status, self._tag, more))
        return self

    def challenges(self, nonce):
        asks = 'WWW-Authenticate: Digest realm="%s", nonce="%s", qop="auth", algorithm=MD5\n'
        return self.says("401 Unauthorized", asks % (REALM, nonce))

    def in_dialog(self):
        """From here on To has its tag."""
        self._tag = ""
        return self

    def xml(self):
        return SCENARIO % ("".join(self._steps) + '<Reference variables="seen"/>\n')


CONTACT = "Contact: <sip:%s@[local_ip]:[local_port]>\n" % USER


# RFC 3261 §10.2, §22.2
def registrar():
    part = Part().asked("REGISTER", "Expires: 3600", "CSeq: 1 REGISTER").challenges("first")
    return part.proved("REGISTER", "CSeq: 2 REGISTER").says("200 OK", "[last_Contact:]\nExpires: 3600\n")


# RFC 3261 §10.2.2
def farewell():
    return Part().proved("REGISTER", "expires=0", "nc=00000002").says("200 OK", "Expires: 0\n")


# RFC 3261 §22.3, §8.1.3.5
def gateway():
    """The INVITE that alice's own server has let through has CSeq 2: 8 here, and 9 with credentials."""
    part = Part().asked("INVITE", "CSeq: 8 INVITE", "INVITE sip:.4930999@provider.test").challenges("second")
    part.asked("ACK", "CSeq: 8 ACK").proved("INVITE", "CSeq: 9 INVITE")
    part.says("180 Ringing", CONTACT).says("200 OK", CONTACT).asked("ACK", "CSeq: 9 ACK").in_dialog()
    part.asked("BYE", "CSeq: 12 BYE").challenges("third").proved("BYE", "CSeq: 13 BYE").says("200 OK")
    return part


class Provider:
    """Plays one part, on the port that the server knows."""

    def __init__(self, folder, port, part):
        name = os.path.join(folder, "provider-%d" % time.monotonic_ns())
        with open(name + ".xml", "w") as file:
            file.write(part.xml())
        self._errors = name + ".err"
        argv = ["sipp", "-sf", name + ".xml", "-i", "127.0.0.1", "-p", str(port), "-m", "1", "-nostdin",
                "-timeout", "40s", "-timeout_error", "-trace_err", "-error_file", self._errors]
        self.child = Child(argv, name + ".log", env={"TERM": "xterm"}, cwd=folder)
        time.sleep(0.3)  # until it listens

    def done(self, timeout_s=15):
        """True if it ended in that time with everything as it should be."""
        code = self.child.wait(timeout_s)
        self.child.stop()
        return code == 0

    def why(self):
        """What it says went wrong."""
        text = ""
        if os.path.exists(self._errors):
            with open(self._errors, errors="replace") as file:
                text = file.read()[:1500]
        return text or self.child.tail(6)
