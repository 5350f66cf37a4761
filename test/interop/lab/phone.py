"""The face that every phone shows to the flows, whoever wrote the program behind it."""

import os
import re

from . import sound

RING_S = 15
# As long as the longest call: baresip hangs up at the end of its tone.
TONE_S = 100


class Phone:
    """One program holding one account. It says a tone of its own as long as a call is up, and records what it hears.

    Waits are bounded and give something false when nothing came; a call that fails raises nothing.
    """

    kind = "?"
    # Its program, as docs/interop.md calls it.
    column = "?"
    # With which answer it refuses a call that rings.
    reject_status = 0
    # Whether what it hears after a hold is in its recording too.
    records_after_hold = True

    def __init__(self, folder, account):
        self.folder, self.account, self.child = folder, account, None
        self.tone_hz = sound.TONES_HZ[account.user]
        os.makedirs(folder)

    @property
    def way(self):
        """Over which transport and family of addresses it talks to the server."""
        return self.account.transport, self.account.family

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        """Starts the program, which registers at once."""
        raise NotImplementedError

    def wait_registered(self, timeout_s=10):
        """The registrar said 200."""
        raise NotImplementedError

    def wait_not_registered(self, timeout_s=10):
        """The registrar refused the password."""
        raise NotImplementedError

    def trace(self):
        """Every message it sent and got so far, one header a line."""
        raise NotImplementedError

    def messages(self):
        """The same, each from its start line on."""
        return re.split(r"(?m)^(?=[A-Z]+ sips?:\S+ SIP/2\.0$|SIP/2\.0 \d{3} )", self.trace())[1:]

    def registers_sent(self):
        """How many REGISTER requests left the phone so far."""
        return len(re.findall(r"(?m)^REGISTER sip:", self.trace()))

    def digest_algorithms(self):
        """With which algorithms it answered challenges so far; none named is MD5 (RFC 7616 §3.4)."""
        answers = re.findall(r"(?m)^(?:Proxy-)?Authorization:.*$", self.trace())
        named = [re.search(r"algorithm=([\w-]+)", answer) for answer in answers]
        return {name.group(1) if name else "MD5" for name in named}

    def dial(self, uri):
        raise NotImplementedError

    def wait_ring(self, timeout_s=RING_S):
        """A call comes in."""
        raise NotImplementedError

    def answer(self):
        raise NotImplementedError

    def reject(self):
        """Refuses the call that rings."""
        raise NotImplementedError

    def hangup(self):
        """Ends the call, whether it is up or still being set up."""
        raise NotImplementedError

    def wait_up(self, timeout_s=RING_S):
        """Both sides can talk."""
        raise NotImplementedError

    def wait_down(self, timeout_s=10):
        """The call is over, for whatever reason."""
        raise NotImplementedError

    def wait_refused(self, status, timeout_s=10):
        """The call ended with this final answer of the other side or of the server."""
        raise NotImplementedError

    def recordings(self):
        """The files of what it heard in the last call."""
        raise NotImplementedError

    def hold(self):
        """Puts the call on hold; gives whether the other side agreed."""
        raise NotImplementedError

    def resume(self):
        """Takes it back."""
        raise NotImplementedError

    def transfer(self, uri):
        """Sends the other side on to somebody else."""
        raise NotImplementedError

    def consult(self, uri):
        """A second call, while the first is on hold."""
        raise NotImplementedError

    def connect(self):
        """Puts the parties of both calls together, and leaves them."""
        raise NotImplementedError

    def dtmf(self, digit):
        """Presses a key during the call (RFC 4733)."""
        raise NotImplementedError

    def wait_dtmf(self, digit, timeout_s=5):
        """The other side pressed it."""
        raise NotImplementedError

    def message(self, uri, text):
        """Writes to somebody; the text has no spaces."""
        raise NotImplementedError

    def wait_message(self, text, timeout_s=8):
        """Such a message has come, whenever it was."""
        raise NotImplementedError

    def count(self, pattern):
        """How often something stands in the messages it sent and got so far."""
        return len(re.findall("(?m)" + pattern, self.trace()))

    def stop(self):
        if self.child:
            self.child.stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def __str__(self):
        return "%s's %s" % (self.account.user, self.kind)


def tails(*phones):
    """The last lines of the phones' output, for the reader of a failed check."""
    return "\n".join("%s: %s" % (phone, phone.child.tail(12)) for phone in phones)
