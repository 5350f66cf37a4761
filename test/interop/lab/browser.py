"""Browser phones: JsSIP and SIP.js in one page of a headless Chromium, told what to do over WebDriver.

Calls are made and ended; what the phones say to each other is WebRTC's affair and not looked at.
"""

import functools
import http.server
import json
import os
import re
import subprocess
import threading
import time
import urllib.request

from .child import Child, wait_for
from .phone import RING_S, Phone
from .ports import free_port

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "web")
START_S = 30
SCRIPT_S = 20

# The microphone is made up; a certificate that the server has made itself is believed.
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--mute-audio",
    "--disable-features=WebRtcHideLocalIpsWithMdns", "--ignore-certificate-errors",
)


def modules():
    """The folder of the packages that install.sh has brought."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(os.environ.get("INTEROP_MODULES") or os.path.join(cache, "offhook-interop"), "node_modules")


class Browser:
    """One Chromium with one page. `phone` is a kind for `Lab.phone`."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "browser")
        os.makedirs(self.folder)
        self._phones, self._lock = 0, threading.Lock()

    def __enter__(self):
        self._bundle()
        handler = functools.partial(Quiet, directory=self.folder)
        self._pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._pages.serve_forever, daemon=True).start()
        port = free_port()
        self._base = "http://127.0.0.1:%d" % port
        self.child = Child(["chromedriver", "--port=%d" % port], os.path.join(self.folder, "driver.log"))
        if not wait_for(self._is_ready, START_S, 0.1):
            raise RuntimeError("chromedriver does not start:\n" + self.child.tail())
        arguments = [*SWITCHES, "--user-data-dir=" + os.path.join(self.folder, "profile")]
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments}}
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}}, START_S)
        self._base += "/session/" + session["sessionId"]
        self._ask("POST", "/url", {"url": "http://127.0.0.1:%d/phone.html" % self._pages.server_port})
        return self

    def __exit__(self, *_):
        try:
            self._ask("DELETE", "", None)
        except OSError:
            pass
        self.child.stop()
        self._pages.shutdown()

    def phone(self, library):
        """A kind of phone: its calls are `library`'s, "jssip" or "sipjs"."""
        kind = functools.partial(BrowserPhone, self, library)
        kind.kind = library
        return kind

    def name(self, user):
        with self._lock:
            self._phones += 1
            return "%s%d" % (user, self._phones)

    def run(self, script, *arguments):
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def events(self, name):
        """What a phone has said so far, and what went wrong in the page."""
        told = self.run("return window.events")
        return [event.partition(" ")[2] for event in told if event.split(" ")[0] in (name, "page")]

    def _bundle(self):
        """One script of the page and the libraries that it imports."""
        command = [os.path.join(modules(), ".bin", "esbuild"), os.path.join(PAGE, "phone.js"), "--bundle",
                   "--log-level=error", "--outfile=" + os.path.join(self.folder, "phone.js")]
        done = subprocess.run(command, env={**os.environ, "NODE_PATH": modules()}, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError("the page cannot be put together:\n" + done.stderr)
        with open(os.path.join(PAGE, "phone.html")) as page, open(os.path.join(self.folder, "phone.html"), "w") as copy:
            copy.write(page.read())

    def _is_ready(self):
        try:
            return self._ask("GET", "/status", None)["ready"]
        except OSError:
            return False

    def _ask(self, method, path, body, timeout_s=SCRIPT_S):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError("WebDriver: " + error.read(1000).decode("utf-8", "replace")) from None


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class BrowserPhone(Phone):
    reject_status = 486

    def __init__(self, browser, library, folder, account):
        super().__init__(folder, account)
        self._browser, self.kind, self._mark = browser, library, 0
        self.column = {"jssip": "JsSIP", "sipjs": "SIP.js"}[library]
        # What the flows ask of a program of its own.
        self.child = self

    def start(self):
        self._name = self._browser.name(self.account.user)
        account = {"uri": self.account.aor, "user": self.account.user, "password": self.account.password,
                   "server": self.account.websocket}
        self._browser.run("window.addPhone(...arguments)", self._name, self.kind, account)
        self._tell("start")

    def wait_registered(self, timeout_s=10):
        return self._wait("registered", timeout_s, from_start=True)

    def wait_not_registered(self, timeout_s=10):
        return self._wait("unregistered 40[13]", timeout_s, from_start=True)

    def dial(self, uri):
        self._mark = len(self._browser.events(self._name))
        self._tell("dial", uri)

    def wait_ring(self, timeout_s=RING_S):
        return self._wait("rings", timeout_s)

    def answer(self):
        self._tell("answer")

    def reject(self):
        self._tell("reject")

    def hangup(self):
        self._tell("hangup")

    def wait_up(self, timeout_s=RING_S):
        return self._wait("up", timeout_s)

    def wait_down(self, timeout_s=10):
        return self._wait("down", timeout_s)

    def wait_refused(self, status, timeout_s=10):
        return self._wait("down %d" % status, timeout_s)

    def hold(self):
        self._tell("hold")
        return self._wait("held local", 8)

    def wait_held(self, timeout_s=8):
        """The other side has put the call on hold."""
        return self._wait("held remote", timeout_s)

    def resume(self):
        self._tell("resume")
        return self._wait("resumed local", 8)

    def wait_resumed(self, timeout_s=8):
        """The other side has taken it back."""
        return self._wait("resumed remote", timeout_s)

    def info(self, digit):
        """Presses a key during the call, by INFO."""
        self._tell("info", digit)

    def wait_dtmf(self, digit, timeout_s=8):
        return self._wait("digit " + re.escape(digit), timeout_s)

    def transfer(self, uri):
        self._tell("transfer", uri)

    def message(self, uri, text):
        self._tell("message", uri, text)

    def wait_message(self, text, timeout_s=10):
        return self._wait("message " + re.escape(text), timeout_s)

    def stop(self):
        self._tell("stop")

    def tail(self, lines=12):
        return "\n".join(self._browser.events(self._name)[-lines:])

    def _tell(self, what, *arguments):
        self._browser.run("window.phones[arguments[0]][arguments[1]](...arguments[2])", self._name, what, list(arguments))

    def _wait(self, pattern, timeout_s, from_start=False):
        """Whether it says this, after what was heard before; remembers the place."""
        wanted, end = re.compile(pattern + r"( |$)"), time.monotonic() + timeout_s
        while True:
            events = self._browser.events(self._name)
            for index in range(0 if from_start else self._mark, len(events)):
                if wanted.match(events[index]):
                    self._mark = max(self._mark, index + 1)
                    return True
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
