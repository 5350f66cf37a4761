"""Results: a line `ok` or `not ok` for each check, and their sum."""

import threading
import time


class Report:
    """Counts the checks of a whole run; groups that run side by side share it."""

    def __init__(self):
        self.passed, self.failed = 0, 0
        self._started, self._lock = time.monotonic(), threading.Lock()

    def group(self, title):
        """The `check(good, what, why="")` of one group. It prints, counts, and returns whether it was good."""
        def check(good, what, why=""):
            self._add(bool(good), "%s: %s" % (title, what), why)
            return bool(good)
        return check

    def _add(self, good, what, why):
        with self._lock:
            self.passed += good
            self.failed += not good
            verdict, at_s = "ok" if good else "not ok", time.monotonic() - self._started
            print("%s - %5.1f s - %s" % (verdict, at_s, what), flush=True)
            if not good and why:
                print("    " + str(why).replace("\n", "\n    "), flush=True)

    def close(self):
        """Prints the sum; the exit code of the run."""
        print("%d passed, %d failed" % (self.passed, self.failed), flush=True)
        return 1 if self.failed or not self.passed else 0
