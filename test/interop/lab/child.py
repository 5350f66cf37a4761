"""Child processes: each in its own session with its output read as it comes, and none left behind."""

import atexit
import os
import re
import signal
import subprocess
import threading
import time

_running = []


class Child:
    """A running program. `expect` waits for a line of its output, going on from where the last one stopped."""

    def __init__(self, argv, log, env=None, cwd=None, stdin=False):
        self.process = subprocess.Popen(
            argv, env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines, self._mark, self._news = [], 0, threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self._reader.start()
        _running.append(self)

    def _read(self, log):
        rest = b""
        with open(log, "ab", buffering=0) as copy:
            while True:
                try:
                    got = os.read(self.process.stdout.fileno(), 65536)
                except OSError:
                    got = b""
                copy.write(got)
                *whole, rest = re.split(rb"[\r\n]+", rest + got)
                if not got:
                    whole, rest = whole + [rest], b""
                with self._news:
                    self.lines += [line.decode("utf-8", "replace") for line in whole if line]
                    self._news.notify_all()
                if not got:
                    return

    def send(self, line):
        """Types a line."""
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()

    def mark(self):
        """Later `expect`s see only what comes from now on."""
        with self._news:
            self._mark = len(self.lines)

    def expect(self, pattern, timeout_s, from_start=False):
        """The match of the next line that has the pattern, or None when the time or the program is over."""
        wanted, end = re.compile(pattern), time.monotonic() + timeout_s
        with self._news:
            at = 0 if from_start else self._mark
            while True:
                for index in range(at, len(self.lines)):
                    match = wanted.search(self.lines[index])
                    if match:
                        self._mark = max(self._mark, index + 1)
                        return match
                at = len(self.lines)
                left_s = end - time.monotonic()
                if left_s <= 0 or not self._reader.is_alive():
                    return None
                self._news.wait(min(left_s, 0.5))

    def count(self, pattern):
        """How many lines so far have the pattern."""
        with self._news:
            return sum(bool(re.search(pattern, line)) for line in self.lines)

    def tail(self, lines=15):
        with self._news:
            return "\n".join(self.lines[-lines:])

    def alive(self):
        return self.process.poll() is None

    def wait(self, timeout_s):
        """The exit code, or None if it is still running after that time."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        """Ends it at once, without a chance to tidy up."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        self._forget()

    def stop(self, grace_s=3):
        """Asks it to end, and ends it if it does not."""
        for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 2)):
            if not self.alive():
                break
            self._signal(number)
            self.wait(wait_s)
        self._forget()

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)  # its own session: its pid is its group's
        except ProcessLookupError:
            pass

    def _forget(self):
        if self in _running:
            _running.remove(self)


def wait_for(condition, timeout_s, every_s=0.05):
    """Asks again and again until the answer is true; gives the last answer."""
    end = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(every_s)


@atexit.register
def stop_all():
    """Ends every child that is still running."""
    for child in list(_running):
        child.stop(grace_s=1)
