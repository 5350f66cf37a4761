"""PJSUA2, the library of PJSIP (a wheel in a virtual environment), told what to do by typing to `pjsua/worker.py`."""

import json
import os
import re

from . import sound
from .child import Child
from .phone import RING_S, TONE_S, Phone
from .ports import MEDIA, free_port

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODULES = os.environ.get("INTEROP_MODULES") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "offhook-interop")
PYTHON = os.path.join(MODULES, "python", "bin", "python")
RATE = 16000
MEDIA_PORTS = 20


class Pjsua(Phone):
    kind = "pjsua"
    column = "PJSUA"
    reject_status = 486

    # What else stands in the worker's settings: `timer` asks for session timers, `reliable` insists on PRACK, `encrypted`
    # on SRTP.
    options = {}

    def start(self):
        account = self.account
        sound.write_tone(self.path("say.wav"), self.tone_hz, TONE_S, RATE)
        settings = {
            "user": account.user, "password": account.password, "domain": account.domain, "proxy": account.proxy,
            "transport": account.transport, "authority": account.authority,
            "bind": account.host, "port": free_port(), "media_port": free_port(MEDIA, MEDIA_PORTS),
            "say": self.path("say.wav"), "heard": self.path("heard-%d.wav"), "log": self.path("sip.log"),
        }
        settings.update(self.options)
        argv = [PYTHON, os.path.join(HERE, "pjsua", "worker.py"), json.dumps(settings)]
        self._first = 0
        self.child = Child(argv, self.path("log"), cwd=self.folder, stdin=True)
        if not self.child.expect("^ready", 10, from_start=True):
            raise RuntimeError("pjsua does not start:\n" + self.child.tail())

    def _registration(self, timeout_s):
        return self.child.expect(r"^registration (\d+)", timeout_s, from_start=True)

    def wait_registered(self, timeout_s=10):
        said = self._registration(timeout_s)
        return said and said.group(1) == "200"

    def wait_not_registered(self, timeout_s=10):
        said = self._registration(timeout_s)
        return said and said.group(1) in ("401", "403")

    def trace(self):
        with open(self.path("sip.log"), errors="replace") as file:
            return file.read().replace("\r", "")

    def _forget_recordings(self):
        self._first = len(self.child.lines)

    def dial(self, uri):
        self._forget_recordings()
        self.consult(uri)

    def consult(self, uri):
        self.child.mark()
        self.child.send("dial " + uri)

    def wait_ring(self, timeout_s=RING_S):
        self._forget_recordings()
        return self.child.expect("^incoming", timeout_s)

    def answer(self):
        self.child.send("answer 200")

    def reject(self):
        self.child.send("answer %d" % self.reject_status)

    def hangup(self):
        self.child.send("hangup")

    def wait_up(self, timeout_s=RING_S):
        return self.child.expect("^up", timeout_s)

    def wait_down(self, timeout_s=10):
        return self.child.expect("^down", timeout_s)

    def wait_refused(self, status, timeout_s=10):
        return self.child.expect("^down %d" % status, timeout_s)

    def hold(self):
        self.child.send("hold")
        return self.child.expect("^held", 5)

    def resume(self):
        self.child.send("resume")
        return self.child.expect("^talking", 5)

    def transfer(self, uri):
        self.child.send("transfer " + uri)

    def connect(self):
        self.child.send("connect")

    def dtmf(self, digit):
        self.child.send("digit " + digit)

    def wait_dtmf(self, digit, timeout_s=5):
        return self.child.expect("^digit " + re.escape(digit), timeout_s)

    def message(self, uri, text):
        self.child.send("write %s %s" % (uri, text))

    def wait_message(self, text, timeout_s=8):
        return self.child.expect("^message .*" + re.escape(text), timeout_s, from_start=True)

    def watch(self, uri):
        """Asks to be told whether somebody is there (RFC 3856)."""
        self.child.send("watch " + uri)

    def appear(self, state):
        """Tells who watches that it is `online` or `offline`."""
        self.child.send("appear " + state)

    def wait_state(self, uri, state, timeout_s=8):
        """Was told so about somebody."""
        return self.child.expect("^state .*%s.* %s$" % (re.escape(uri), state), timeout_s)

    def info(self, digit):
        """Presses a key during the call, by INFO."""
        self.child.send("info " + digit)

    def update(self):
        """Changes the session by UPDATE."""
        self.child.send("update")

    def recordings(self):
        lines = self.child.lines[self._first:]
        return [line.partition(" ")[2] for line in lines if line.startswith("recording ")]

    def stop(self):
        if self.child and self.child.alive():
            try:
                self.child.send("quit")
            except OSError:
                pass
            self.child.wait(4)
        super().stop()


class Reliable(Pjsua):
    """Insists on provisional responses that are acknowledged."""

    kind = "pjsua-100rel"
    options = {"reliable": True}


class Timed(Pjsua):
    """Asks for session timers, as short as they may be."""

    kind = "pjsua-timer"
    options = {"timer": True}


class Encrypted(Pjsua):
    kind = "pjsua-srtp"
    options = {"encrypted": True}
