"""linphonec, the console of Linphone (Debian's linphone-cli), told what to do by typing.

Sound comes from a file and goes to one (`soundcard use files`), so no sound device is needed.
"""

import os
import re
import time

from . import sound
from .child import Child, wait_for
from .phone import RING_S, TONE_S, Phone
from .ports import MEDIA, free_port

RATE = 16000
MEDIA_PORTS = 16
REGISTER_EXPIRES_S = 3600


class Linphone(Phone):
    kind = "linphone"
    column = "Linphone"
    reject_status = 603
    # How its sound is encrypted, and it takes no call without; and whether it offers candidates.
    encryption = "none"
    candidates = False
    # Whose presence it subscribes to as soon as it is registered, by SUBSCRIBE.
    watches = None

    def start(self):
        sound.write_tone(self.path("say.wav"), self.tone_hz, TONE_S, RATE)
        os.makedirs(self.path(".local/share/linphone"))
        self._write_config()
        with open(self.path("asound.conf"), "w") as file:
            file.write("pcm.!default { type null }\nctl.!default { type hw card 0 }\n")
        env = {"HOME": self.folder, "XDG_DATA_HOME": self.path(".local/share"), "TERM": "dumb",
               "ALSA_CONFIG_PATH": self.path("asound.conf")}
        argv = ["linphonec", "-S", "-c", self.path("rc"), "-l", self.path("sip.log"), "-d", "6"]
        self.child = Child(argv, self.path("log"), env=env, cwd=self.folder, stdin=True)
        self.child.expect("Warning: video|linphonec>|Ready", 10, from_start=True)
        self._calls = 0
        self._type("soundcard use files")
        self._type("play " + self.path("say.wav"))
        self._name_recording()

    def _write_config(self):
        account = self.account
        ports = {"udp": -1, "tcp": -1, "tls": -1, account.transport: free_port()}
        media = free_port(MEDIA, MEDIA_PORTS)
        sections = {
            "sip": {
                "sip_port": ports["udp"], "sip_tcp_port": ports["tcp"], "sip_tls_port": ports["tls"],
                "default_proxy": 0, "guess_hostname": 1, "use_ipv6": int(account.family == 6), "media_encryption": self.encryption,
                "media_encryption_mandatory": int(self.encryption != "none"),
                "register_only_when_network_is_up": 0, "inc_timeout": 30, "keepalive_period": 10000,
                "auto_net_state_mon": 0, "use_info": 0, "use_rfc2833": 1, "deliver_imdn": 0,
            },
            "rtp": {
                "audio_rtp_port": "%d-%d" % (media, media + MEDIA_PORTS - 1),
                "audio_jitt_comp": 40, "nortp_timeout": 60,
            },
            "net": {"firewall_policy": 3 if self.candidates else 0, "mtu": 1300},
            "sound": {"echocancellation": 0, "agc": 0, "remote_ring": "", "local_ring": ""},
            "lime": {"enabled": 0},
            "misc": {"history_max_size": 0},
            "proxy_0": {
                "reg_proxy": "<%s>" % account.proxy, "reg_route": "<%s;lr>" % account.proxy,
                "reg_identity": "<%s>" % account.aor, "reg_expires": REGISTER_EXPIRES_S, "reg_sendregister": 1,
                "publish": 0, "quality_reporting_enabled": 0, "push_notification_allowed": 0, "avpf": 0,
            },
            "auth_info_0": {
                "username": account.user, "userid": account.user, "passwd": account.password, "realm": account.domain,
            },
        }
        if account.authority:
            # The name in the certificate is that of the domain; Linphone compares it with the address it dials.
            sections["sip"].update({"verify_server_certs": 1, "verify_server_cn": 0, "root_ca": account.authority})
        if self.candidates:
            sections["proxy_0"]["nat_policy_ref"] = "candidates"
            sections["nat_policy_0"] = {"ref": "candidates", "protocols": "ice"}
        if self.watches:
            sections["friend_0"] = {"url": "<sip:%s@%s>" % (self.watches, account.domain), "pol": "accept", "subscribe": 1}
        codecs = (("PCMU", 8000, 1), ("PCMA", 8000, 1), ("opus", 48000, 2), ("speex", 8000, 1), ("speex", 16000, 1))
        for index, (name, rate, channels) in enumerate(codecs):
            sections["audio_codec_%d" % index] = {
                "mime": name, "rate": rate, "channels": channels, "enabled": int(name in ("PCMU", "PCMA"))}
        with open(self.path("rc"), "w") as file:
            for section, keys in sections.items():
                file.write("[%s]\n" % section + "".join("%s=%s\n" % item for item in keys.items()))

    def _type(self, line, pause_s=0.1):
        self.child.send(line)
        time.sleep(pause_s)  # the console takes lines in order but drops what comes too fast

    def _name_recording(self):
        """Names the file for the next call. Only while idle: `record` while a call rings makes the console crash."""
        self._calls += 1
        self._type("record " + self._recording(self._calls))

    def _recording(self, number):
        return self.path("heard-%d.wav" % number)

    def wait_registered(self, timeout_s=10):
        seen = len(self.child.lines)

        def ask():
            self._type("status register", 0.25)  # a busy machine prints the answer after the next question
            return any(line.startswith("registered, identity") for line in self.child.lines[seen:])
        return wait_for(ask, timeout_s, 0.1)

    def wait_not_registered(self, timeout_s=10):
        # The first 401 is the challenge; the one to a request with credentials is the refusal.
        refusals = r"(?m)^Authorization: (?:.+\n)*(?:.*\n)*?SIP/2\.0 40[13] "
        return wait_for(lambda: re.search(refusals, self.trace()), timeout_s, 0.1)

    def trace(self):
        with open(self.path("sip.log"), errors="replace") as file:
            return file.read().replace("\r", "")

    def dial(self, uri):
        self.child.mark()
        self._type("call " + uri)

    def wait_ring(self, timeout_s=RING_S):
        return self.child.expect(r"Receiving new incoming call from", timeout_s)

    def answer(self):
        self._type("answer")

    def reject(self):
        self._type("terminate")

    def hangup(self):
        self._type("terminate")

    def wait_up(self, timeout_s=RING_S):
        return self.child.expect(r"Call \d+ with .* connected|Media streams established|Call answered", timeout_s)

    def wait_down(self, timeout_s=10):
        over = self.child.expect(r"Call \d+ with .* (ended|error)|Call terminated", timeout_s)
        if over:
            time.sleep(0.2)  # it closes the recording after it said so
            self._name_recording()
        return over

    def wait_refused(self, status, timeout_s=10):
        return self.wait_down(timeout_s) and self._answers_to_invite()[-1:] == [status]

    def _answers_to_invite(self):
        """The final answers to INVITEs that this phone got, in order."""
        answers = re.findall(r"(?m)^SIP/2\.0 ([2-6]\d\d) (?:.+\n)*?CSeq: *\d+ INVITE$", self.trace())
        return [int(status) for status in answers]

    def hold(self):
        self._type("pause")
        return self.child.expect("paused", 5)

    def resume(self):
        self._type("resume")
        return self.child.expect("resumed|Media streams established|connected", 5)

    def transfer(self, uri):
        self._type("transfer " + uri)

    def consult(self, uri):
        self.dial(uri)

    def connect(self):
        self.child.mark()
        self._type("calls", 0.4)
        seen = "\n".join(self.child.lines[self.child._mark:])
        first, second = re.findall(r"(?m)^(\d+)\s*\|", seen)[:2]
        self._type("transfer %s --to-call %s" % (first, second))

    def dtmf(self, digit):
        self._type(digit, 0.4)

    def wait_dtmf(self, digit, timeout_s=5):
        return self.child.expect("Receiving tone " + re.escape(digit), timeout_s)

    def message(self, uri, text):
        self._type('chat %s "%s"' % (uri, text))

    def wait_message(self, text, timeout_s=8):
        return self.child.expect(re.escape(text), timeout_s, from_start=True)

    def recordings(self):
        return [self._recording(self._calls - 1)]

    def stop(self):
        if self.child and self.child.alive():
            try:
                self._type("quit")
            except OSError:
                pass
            self.child.wait(4)
        super().stop()


class Watcher(Linphone):
    """One that has bob in its list of friends."""
    watches = "bob"


class Encrypted(Linphone):
    kind = "linphone-srtp"
    encryption = "srtp"


class Whispering(Linphone):
    """Agrees on a key in the stream of sound itself (RFC 6189)."""

    kind = "linphone-zrtp"
    encryption = "zrtp"


class Connecting(Linphone):
    kind = "linphone-ice"
    candidates = True
