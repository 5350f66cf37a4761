"""The program under test: one `offhook serve` on ports of its own, with a fresh data folder and three accounts."""

import os
import subprocess

from .child import Child
from .ports import free_port

DOMAIN = "sip.test"
USERS = ("alice", "bob", "carol")
READY_S = 10
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def password_of(user):
    return "pw-" + user


class Account:
    """One user at one server, as a phone needs to know it."""

    def __init__(self, user, server, transport, password=None, family=4):
        self.user, self.password, self.transport = user, password or password_of(user), transport
        self.domain, self.family, self.host = DOMAIN, family, LOOPBACK[family]
        self.port = server.tls_port if transport == "tls" else server.port
        self.authority = server.certificate if transport == "tls" else None

        if transport in server.websocket_ports:
            self.websocket = "%s://%s:%d/" % (transport, self.bracketed, server.websocket_ports[transport])

    @property
    def aor(self):
        return "sip:%s@%s" % (self.user, self.domain)

    @property
    def proxy(self):
        return "sip:%s:%d;transport=%s" % (self.bracketed, self.port, self.transport)

    @property
    def bracketed(self):
        """The address as it stands in a URI."""
        return "[%s]" % self.host if self.family == 6 else self.host


class Server:
    """Runs from `with Server(…)` until its end; `kill` and `start` in between show what it remembers."""

    host = LOOPBACK[4]

    def __init__(self, binary, folder, settings="", port=None):
        """`settings` are added to a configuration that says only where to listen and for which domain."""
        self.binary, self.folder, self.port = binary, folder, port or free_port()
        self.config, self.data = os.path.join(folder, "offhook.toml"), os.path.join(folder, "data")
        # Made by the server itself at its first start; phones trust it and nobody else.
        self.tls_port, self.certificate = free_port(), os.path.join(self.data, "tls", "certificate.pem")
        self.websocket_ports = {"ws": free_port(), "wss": free_port()}
        self.log = os.path.join(folder, "server.log")
        os.makedirs(self.data)
        with open(self.config, "w") as file:
            file.write('data_dir = "%s"\ndomains = ["%s"]\n' % (self.data, DOMAIN))
            for transport, port in self._listeners():
                for host in (LOOPBACK[4], "[%s]" % LOOPBACK[6]):
                    file.write('\n[[listen]]\ntransport = "%s"\naddress = "%s:%d"\n' % (transport, host, port))
            file.write("\n" + settings)
        for user in USERS:
            self._add_account(user)
        self.child = None

    def _listeners(self):
        yield from (("udp", self.port), ("tcp", self.port), ("tls", self.tls_port))
        yield from self.websocket_ports.items()

    def _add_account(self, user):
        argv = [self.binary, "account", "add", "%s@%s" % (user, DOMAIN), "--password-stdin", "--config", self.config]
        done = subprocess.run(argv, input=password_of(user) + "\n", text=True, capture_output=True, timeout=20)
        if done.returncode != 0:
            raise RuntimeError("%s: %s%s" % (" ".join(argv), done.stdout, done.stderr))

    def start(self):
        argv = [self.binary, "serve", "--config", self.config, "--data", self.data]
        self.child = Child(argv, self.log, cwd=self.folder)
        if not self.child.expect("ready", READY_S, from_start=True):
            raise RuntimeError("the server does not say that it is ready:\n" + self.child.tail())

    def kill(self):
        """Takes its life as a power cut would."""
        self.child.kill()

    def account(self, user, transport, password=None, family=4):
        return Account(user, self, transport, password, family)

    def command(self, *words):
        """Runs a command of the program against this server: its exit code and what it says."""
        done = subprocess.run([self.binary, *words, "--config", self.config], capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout + done.stderr

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.child.stop()
