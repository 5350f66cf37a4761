"""SIPp (Debian's sip-tester), for flows in which every message counts.

A flow is written as its ladder, one message a line, as the side that runs it sees it:

    -> INVITE sdp           sends; a request is told by its method, an answer by its status
    <- 100 ?                may come
    <- 407 challenge        must come, and its challenge is answered by the next `auth`
    -> ACK
    -> INVITE sdp auth
    <- 200
    -> ACK                  to a 2xx goes through the dialog's route set, as later requests do
    .. 500                  milliseconds in which nothing is expected
    -> BYE
    <- 200

A line that goes out may carry `sdp`, `webrtc` (what a browser wants to see in an SDP), `auth`, `no-contact`,
`expires=N`, `max-forwards=N`, and header lines in quotes ("Privacy: id"; From, Contact instead of what stands there
otherwise); `invite` says that this answer is for the INVITE, though other requests came after it. One that comes in may carry
`has=TEXT` or `lacks=TEXT`, which must stand in it or must not, in quotes where it has spaces; `early` says that this
provisional answer makes a dialog, in which the next requests go.
"""

import csv
import os
import re
import shlex
import time
from xml.sax.saxutils import quoteattr

from .child import Child
from .ports import MEDIA, free_port

RUN_S = 60

REQUEST = """\
{method} {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-{branch}
Max-Forwards: {max_forwards}
{parties}
Call-ID: [call_id]
CSeq: {cseq} {method}
"""

ANSWER = """\
SIP/2.0 {status} {reason}
{vias}
[last_Record-Route:]
[last_From:]
[last_To:]{to_tag}
[last_Call-ID:]
{cseq}
"""

CONTACT = "Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>\n"

SDP = """\
v=0
o=sipp 1 1 IN IP[media_ip_type] [media_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
"""

# The answer to a browser, or an offer to one: enough for its side of the call, and nobody is there for the media.
WEBRTC = """\
v=0
o=sipp 1 1 IN IP4 [media_ip]
s=-
t=0 0
a=group:BUNDLE 0
m=audio [media_port] UDP/TLS/RTP/SAVPF 0
c=IN IP4 [media_ip]
a=mid:0
a=rtpmap:0 PCMU/8000
a=sendrecv
a=rtcp-mux
a=setup:{setup}
a=ice-ufrag:sipp
a=ice-pwd:twenty-two-letters-of-ice
a=fingerprint:sha-256 {fingerprint}
"""

CALLER = "From: {sender};tag=[pid]f[call_number]\nTo: <sip:{to}>{to_tag}"
CALLER_IN_BRANCH = "Route:[$branch_route]\nFrom: {sender};tag=[pid]f[call_number]\nTo:[$branch_to]"
CALLED = "From: <sip:{user}@{domain}>;tag=[pid]t[call_number]\nTo:[$caller]"

# What the called side keeps of the INVITE or SUBSCRIBE: to answer it after a CANCEL came in between, and to send requests itself.
REMEMBER_INVITE = (
    '<ereg regexp="Via:[^[:cntrl:]]*([[:cntrl:]]+Via:[^[:cntrl:]]*)*" search_in="msg" assign_to="vias,last_via"/>'
    '<ereg regexp="CSeq:[^[:cntrl:]]*" search_in="msg" assign_to="cseq"/>'
    '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>')
REMEMBERED = ("vias", "last_via", "cseq", "caller")

# What the caller keeps of a provisional answer: SIPp itself knows one dialog alone, that of the first answer.
REMEMBER_BRANCH = (
    '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="branch_to"/>'
    '<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" assign_to="branch_target"/>'
    '<ereg regexp=".*" search_in="hdr" header="Record-Route:" assign_to="branch_route"/>')
BRANCH = ("branch_to", "branch_target", "branch_route")


class Sipp:
    """One SIPp process that runs one ladder, `calls` times."""

    def __init__(self, folder, account, ladder, to=None, port=None, calls=1, per_s=10, host=None):
        name = os.path.join(folder, "sipp-%d" % time.monotonic_ns())
        scenario = Scenario(account, account.user if to is None else to)
        with open(name + ".xml", "w") as file:
            file.write(scenario.xml(ladder))
        self.port, self._errors, self._stats = port or free_port(), name + ".err", name + ".stat"
        host = host or account.host
        argv = ["sipp", "%s:%d" % (account.bracketed, account.port), "-sf", name + ".xml", "-i", host,
                "-p", str(self.port), "-mi", host, "-mp", str(free_port(MEDIA, 4)),
                # Left alone it makes credentials for the address of the server and not for the Request-URI.
                "-auth_uri", scenario.challenged_uri.removeprefix("sip:"),
                "-m", str(calls), "-r", str(per_s), "-l", str(max(calls, 3)),
                "-t", {"udp": "u1", "tcp": "t1"}[account.transport], "-nostdin",
                "-timeout", "%ds" % RUN_S, "-timeout_error", "-recv_timeout", "%d" % (RUN_S * 1000 - 5000),
                "-trace_err", "-error_file", self._errors, "-trace_stat", "-stf", self._stats, "-fd", "1"]
        self.child = Child(argv, name + ".log", env={"TERM": "xterm"}, cwd=folder)

    def done(self, timeout_s=15):
        """True if it ended in that time with every call as the ladder says."""
        code = self.child.wait(timeout_s)
        self.child.stop()
        return code == 0

    def numbers(self):
        """Calls that went well, calls that did not, and messages sent again."""
        with open(self._stats) as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        last = rows[-1] if rows else {}
        return tuple(int(last.get(key) or 0) for key in ("SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)"))

    def why(self):
        """What it says went wrong."""
        text = ""
        if os.path.exists(self._errors):
            with open(self._errors, errors="replace") as file:
                text = file.read()[:1500]
        return text or self.child.tail(6)


class Scenario:
    """Turns a ladder into SIPp's XML, keeping the count of transactions on the way."""

    def __init__(self, account, to):
        """`to` is the user called; without a name it is the server itself."""
        self._account, self._to = account, "%s@%s" % (to, account.domain) if to else account.domain
        self._cseq, self._branch, self._invite_branch, self._invite_cseq = 0, 0, 0, 0
        self._in_dialog, self._answered = False, 0
        self._has_answered, self._to_has_tag, self._in_branch = False, False, False
        self._cancelled, self._is_called, self._opens = False, False, False
        self._variables = set()
        # The Request-URI of the requests that are challenged, which have one in a ladder.
        self.challenged_uri = "sip:" + self._to

    def xml(self, ladder):
        lines = [shlex.split(line) for line in ladder.splitlines() if line.strip()]
        self._is_called = lines[0][0] == "<-"
        kinds = {"->": self._send, "<-": self._receive, "..": self._pause}
        steps = [kinds[words[0]](words[1], words[2:], following) for words, following in zip(lines, lines[1:] + [None])]
        if self._variables:  # SIPp refuses a scenario that sets a variable and never reads it, unless told so
            steps.append('<Reference variables="%s"/>' % ",".join(sorted(self._variables)))
        return '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="ladder">\n%s\n</scenario>\n' % "\n".join(steps)

    def _pause(self, milliseconds, *_):
        return '<pause milliseconds="%s"/>' % milliseconds

    def _send(self, what, options, following):
        text = self._answer(what, options) if what.isdigit() else self._request(what, options)
        body = self._body(what, options)
        text += "Content-Type: application/sdp\n" if body else ""
        text += "Content-Length: [len]\n\n" + body
        # Over UDP SIPp sends again, until the next message comes, what it is told to: requests, and finals to INVITE.
        again = following == ["<-", "ACK"] if what.isdigit() else what != "ACK"
        return "<send%s><![CDATA[\n%s\n]]></send>" % (' retrans="500"' if again else "", text)

    def _body(self, what, options):
        if "webrtc" in options:
            fingerprint = ":".join("%02X" % byte for byte in range(32))
            return WEBRTC.format(setup="active" if what.isdigit() else "actpass", fingerprint=fingerprint)
        return SDP if "sdp" in options else ""

    def _request(self, method, options):
        headers = dict(option.split(": ", 1) for option in options if ": " in option)
        values = dict(option.split("=") for option in options if "=" in option and ": " not in option)
        if method not in ("ACK", "CANCEL"):
            self._cseq, self._branch = self._cseq + 1, self._branch + 1
        elif method == "ACK" and self._answered < 300:
            self._branch += 1
        self._opens = method in ("INVITE", "SUBSCRIBE")
        if method == "INVITE":
            self._invite_branch, self._invite_cseq = self._branch, self._cseq
        self._cancelled = self._cancelled or method == "CANCEL"
        joined = method in ("ACK", "CANCEL") and not self._in_dialog and not self._in_branch
        parties = CALLED if self._is_called else CALLER_IN_BRANCH if self._in_branch else CALLER
        parties = parties.format(
            user=self._account.user, domain=self._account.domain, to=self._to,
            sender=headers.pop("From", "<%s>" % self._account.aor),
            to_tag="[peer_tag_param]" if self._in_dialog or method == "ACK" else "")
        text = REQUEST.format(
            method=method, uri=self._uri(method), max_forwards=values.get("max-forwards", 70),
            cseq=self._invite_cseq if method in ("ACK", "CANCEL") else self._cseq,
            branch=self._invite_branch if joined else self._branch, parties=parties)
        text += "[routes]\n" if self._in_dialog and not self._in_branch else ""
        text += self._headers(headers, "no-contact" in options)
        text += "Expires: %s\n" % values["expires"] if "expires" in values else ""
        credentials = (self._account.user, self._account.password)
        return text + ("[authentication username=%s password=%s]\n" % credentials if "auth" in options else "")

    def _headers(self, headers, no_contact=False):
        """Contact, unless there shall be none or there is another one, and whatever else the line says."""
        text = "" if no_contact or "Contact" in headers else CONTACT.format(user=self._account.user)
        return text + "".join("%s: %s\n" % header for header in headers.items())

    def _uri(self, method):
        if self._in_branch:
            return "[$branch_target]"
        if self._in_dialog:
            return "[next_url]"
        if method == "REGISTER":
            self.challenged_uri = "sip:" + self._account.domain
        return self.challenged_uri

    def _answer(self, status, options):
        to_invite = status == "487" or "invite" in options
        text = ANSWER.format(
            status=status, reason="As the ladder says",
            vias="[$vias]" if to_invite else "[last_Via:]",
            cseq="[$cseq]" if to_invite else "[last_CSeq:]",
            to_tag="" if self._to_has_tag else ";tag=[pid]t[call_number]")
        self._has_answered = True
        self._in_dialog = self._in_dialog or status == "200" and not self._cancelled
        return text + self._headers(dict(option.split(": ", 1) for option in options if ": " in option))

    def _receive(self, what, options, _):
        attributes = ' response="%s"' % what if what.isdigit() else ' request="%s"' % what
        attributes += ' optional="true"' if "?" in options else ""
        attributes += ' auth="true"' if "challenge" in options else ""
        if what.isdigit():
            self._answered = int(what)
            self._in_branch = self._in_branch or "early" in options
            to_opening = self._opens and not self._cancelled
            if what == "200" and to_opening and not self._in_dialog and not self._in_branch:
                self._in_dialog = True
                attributes += ' rrs="true"'
        else:
            self._to_has_tag = (self._has_answered or self._in_dialog) and what != "CANCEL"
        wanted = [option for option in options if option.startswith(("has=", "lacks="))]
        actions = "".join(map(self._expectation, wanted))
        if "early" in options:
            actions += REMEMBER_BRANCH
            self._variables.update(BRANCH)
        if what == "CANCEL":
            self._cancelled = True
        if what in ("INVITE", "SUBSCRIBE") and not self._in_dialog:
            attributes += ' rrs="true"'
            actions += REMEMBER_INVITE
            self._variables.update(REMEMBERED)
        return "<recv%s>%s</recv>" % (attributes, "<action>%s</action>" % actions if actions else "")

    def _expectation(self, option):
        kind, text = option.split("=", 1)
        check = {"has": "check_it", "lacks": "check_it_inverse"}[kind]
        self._variables.add("ignored")
        return '<ereg regexp=%s search_in="msg" %s="true" assign_to="ignored"/>' % (quoteattr(re.escape(text)), check)
