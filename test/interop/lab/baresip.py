"""baresip (Debian's baresip-core), told what to do over its control port: JSON in netstrings."""

import glob
import json
import os
import re
import socket
import threading
import time

from . import sound
from .child import Child, wait_for
from .phone import RING_S, TONE_S, Phone
from .ports import MEDIA, free_port

MODULE_FOLDERS = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules",
                  "/usr/lib/aarch64-linux-gnu/baresip/modules")
MODULES = ("g711", "aufile", "sndfile", "uuid")
APPLICATIONS = ("account", "contact", "menu", "ctrl_tcp")
REGISTER_INTERVAL_S = 3600
RATE = 48000
MEDIA_PORTS = 20
KEY_RELEASED = "\x04"


class Baresip(Phone):
    kind = "baresip"
    column = "baresip"
    reject_status = 486
    records_after_hold = False
    # More parameters of its account, and modules that they want.
    options = {}
    modules = ()
    applications = ()
    # Whose presence it subscribes to as soon as it is registered, at their phones.
    watches = None

    def start(self):
        sound.write_tone(self.path("say.wav"), self.tone_hz, TONE_S, RATE)
        self._control_port = free_port()
        self._write_config()
        self._write_account()
        self._events, self._mark, self._news = [], 0, threading.Condition()
        self.child = Child(["baresip", "-f", self.folder, "-v", "-s"], self.path("log"))
        if not wait_for(self._connect, 8, 0.1):
            raise RuntimeError("baresip opens no control port:\n" + self.child.tail())

    def _write_config(self):
        media = free_port(MEDIA, MEDIA_PORTS)
        lines = [
            "poll_method epoll", "sip_listen %s:%d" % (self.account.bracketed, free_port()), "sip_trans_def udp",
            "call_max_calls 4", "call_local_timeout 30",
            "audio_source aufile,%s" % self.path("say.wav"), "ausrc_srate %d" % RATE, "ausrc_channels 1",
            "audio_txmode thread", "audio_level no", "jitter_buffer_delay 1-10", "rtp_timeout 0",
            "rtp_ports %d-%d" % (media, media + MEDIA_PORTS - 1), "net_interface %s" % self.account.host,
            "ctrl_tcp_listen 127.0.0.1:%d" % self._control_port, "snd_path %s" % self.folder,
            "net_prefer_ipv6 %s" % ("yes" if self.account.family == 6 else "no"),
            "dns_server 127.0.0.1:9", "module_path %s" % next(filter(os.path.isdir, MODULE_FOLDERS)),
        ]
        if self.account.authority:
            lines.append("sip_cafile %s" % self.account.authority)
        lines += ["module %s.so" % name for name in (*MODULES, *self.modules)]
        lines += ["module_app %s.so" % name for name in (*APPLICATIONS, *self.applications)]
        with open(self.path("config"), "w") as file:
            file.write("\n".join(lines) + "\n")

    def _write_account(self):
        account = self.account
        parameters = {
            "auth_user": account.user, "auth_pass": account.password, "regint": REGISTER_INTERVAL_S,
            "outbound": '"%s"' % account.proxy, "answermode": "manual", "ptime": 20, "mwi": "no",
            "audio_codecs": "PCMU/8000/1", "call_transfer": "yes", **self.options,
        }
        tail = "".join(";%s=%s" % item for item in parameters.items())
        with open(self.path("accounts"), "w") as file:
            file.write("<sip:%s@%s;transport=%s>%s\n" % (account.user, account.domain, account.transport, tail))
        # `message` writes to the contact that is the current one.
        with open(self.path("contacts"), "w") as file:
            others = [user for user in sound.TONES_HZ if user != account.user]
            watched = lambda user: ";presence=p2p" if user == self.watches else ""
            file.write("".join('"%s" <sip:%s@%s>%s\n' % (user, user, account.domain, watched(user)) for user in others))
        with open(self.path("uuid"), "w") as file:
            file.write("00000000-0000-4000-8000-%012x" % self._control_port)

    def _connect(self):
        try:
            self._control = socket.create_connection(("127.0.0.1", self._control_port), 1)
        except OSError:
            return False
        self._control.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()
        return True

    def _read(self):
        text = b""
        while True:
            try:
                got = self._control.recv(65536)
            except OSError:
                return
            if not got:
                return
            text += got
            while True:
                length, colon, rest = text.partition(b":")
                if not colon or len(rest) < int(length) + 1:
                    break
                event, text = rest[:int(length)], rest[int(length) + 1:]
                with self._news:
                    self._events.append(json.loads(event.decode("utf-8", "replace")))
                    self._news.notify_all()

    def _tell(self, command, parameters=""):
        """Runs a command of its menu and waits until it says that it did."""
        token = "%d" % time.monotonic_ns()
        raw = json.dumps({"command": command, "params": parameters, "token": token}).encode()
        self._control.sendall(b"%d:%s," % (len(raw), raw))
        self._event(lambda event: event.get("token") == token, 5, 0)

    def _event(self, wanted, timeout_s, at):
        """The index after the first event from `at` on that is wanted, or None."""
        end = time.monotonic() + timeout_s
        with self._news:
            while True:
                for index in range(at, len(self._events)):
                    if wanted(self._events[index]):
                        return index + 1
                at = len(self._events)
                left_s = end - time.monotonic()
                if left_s <= 0:
                    return None
                self._news.wait(left_s)

    def _next(self, kind, timeout_s, parameter=""):
        """Waits for an event that was not seen yet."""
        def wanted(event):
            return event.get("type") == kind and re.search(parameter, event.get("param") or "")
        after = self._event(wanted, timeout_s, self._mark)
        self._mark = after or self._mark
        return bool(after)

    def wait_registered(self, timeout_s=10):
        return self.child.expect(r"\[\d+ binding", timeout_s, from_start=True)

    def wait_not_registered(self, timeout_s=10):
        return self.child.expect(r"reg: .*: 40[13] ", timeout_s, from_start=True)

    def trace(self):
        return "\n".join(self.child.lines)

    def dial(self, uri):
        self._forget_recordings()
        self._tell("dial", uri)

    def wait_ring(self, timeout_s=RING_S):
        self._forget_recordings()
        return self._next("CALL_INCOMING", timeout_s)

    def answer(self):
        self._tell("accept")

    def reject(self):
        self._tell("hangup")

    def hangup(self):
        self._tell("hangup")

    def wait_up(self, timeout_s=RING_S):
        return self._next("CALL_ESTABLISHED", timeout_s)

    def wait_down(self, timeout_s=10):
        return self._next("CALL_CLOSED", timeout_s)

    def wait_refused(self, status, timeout_s=10):
        return self._next("CALL_CLOSED", timeout_s, parameter="^%d " % status)

    def hold(self):
        self._tell("hold")
        return wait_for(lambda: self.count("^a=sendonly") > 0, 5)

    def resume(self):
        before = self.count("^a=sendrecv")
        self._tell("resume")
        return wait_for(lambda: self.count("^a=sendrecv") > before, 5)

    def transfer(self, uri):
        self._tell("transfer", uri)

    def dtmf(self, digit):
        self._tell("sndcode", digit)
        time.sleep(0.25)
        self._tell("sndcode", KEY_RELEASED)

    def wait_dtmf(self, digit, timeout_s=5):
        return self._next("CALL_DTMF_START", timeout_s, parameter=re.escape(digit))

    def message(self, uri, text):
        for _ in sound.TONES_HZ:
            if uri in self._current_contact():
                break
            self._tell("contact_next")
        self._tell("message", text)

    def _current_contact(self):
        try:
            with open(self.path("current_contact")) as file:
                return file.read()
        except OSError:
            return ""

    def wait_message(self, text, timeout_s=8):
        return self.child.expect(re.escape(text), timeout_s, from_start=True)

    def recordings(self):
        return glob.glob(self.path("dump-*dec.wav"))

    def _forget_recordings(self):
        for path in glob.glob(self.path("dump-*")):
            os.remove(path)


class Encrypted(Baresip):
    """Takes no call whose sound is not encrypted with a key that stands in the SDP."""

    kind = "baresip-srtp"
    modules = ("srtp",)
    options = {"mediaenc": "srtp-mand"}


class Handshaken(Baresip):
    """… with a key that the phones agree on by DTLS (RFC 5763)."""

    kind = "baresip-dtls"
    modules = ("srtp", "dtls_srtp")
    options = {"mediaenc": "dtls_srtp"}


class Connecting(Baresip):
    """Offers candidates (RFC 8445), of which those of the loopback alone are any good here."""

    kind = "baresip-ice"
    modules = ("ice",)
    options = {"medianat": "ice"}


class Watcher(Baresip):
    """Has bob among its contacts, and may be watched."""

    kind = "baresip-watcher"
    applications = ("presence",)
    watches = "bob"


class Watched(Watcher):
    watches = None
