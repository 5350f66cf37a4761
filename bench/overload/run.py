#!/usr/bin/env python3
"""Overload: what a server carries of 2, 5 and 10 times what it can, and how soon it is well again.

  run.py                         builds what it needs, prints a table
  run.py --quota 2000            the server gets 2 ms of each 20 ms instead of 1
  run.py --sources 50            callers from 50 addresses instead of one
  run.py --listen                callers that hold back when asked (RFC 7339)
  run.py --server FILE           another binary

The server gets a small share of the processor from a control group (version 1 or 2, needs root), so that the generator
can offer many times what it carries. Method: README.md.
"""
import argparse, os, shutil, signal, subprocess, sys, tempfile, time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SLICE_S = 0.1
SETTLE_S = 1.0      # at the start of each load, not counted
LOAD_S = 6.0
AFTER_S = 4.0
PERIOD_US = 20000

CONFIG = """domains = ["home.overload.test"]
[[listen]]
transport = "udp"
address = "127.0.0.1:%d"
[access]
authenticate_register = false
authenticate_calls = false
[engine]
shards = 1
[log]
level = "%s"
[[route]]
match = { domain = "overload.test" }
to = "sip:127.0.0.1:6201;transport=udp"
%s
"""


class Share:
    """A control group with a share of one processor."""

    def __init__(self, quota_us):
        v1, v2 = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"
        self.dir = os.path.join(v1 if os.path.isdir(v1) else v2, "offhook-overload-%d" % os.getpid())
        os.mkdir(self.dir)
        if os.path.isdir(v1):
            self.put("cpu.cfs_period_us", PERIOD_US)
            self.put("cpu.cfs_quota_us", quota_us)
        else:
            self.put("cpu.max", "%d %d" % (quota_us, PERIOD_US))

    def put(self, name, value):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(str(value))

    def remove(self):
        for _ in range(50):
            try:
                return os.rmdir(self.dir)
            except OSError:
                time.sleep(0.1)


class Server:
    def __init__(self, options, work):
        self.share = Share(options.quota)
        path = os.path.join(work, "config.toml")
        with open(path, "w") as f:
            f.write(CONFIG % (options.port, options.log, options.more.replace("\\n", "\n")))
        self.log = open(os.path.join(work, "log"), "a")
        command = [options.server, "serve", "--config", path, "--data", os.path.join(work, "data")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        time.sleep(0.7)
        if self.process.poll() is not None:
            sys.exit("the server did not start: see %s" % self.log.name)
        # Afterwards, so that the start costs no time.
        self.share.put("cgroup.procs", self.process.pid)

    def cpu_s(self):
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.share.remove()


def play(options, loads):
    """Slices of what the generator counted: offered, completed, refused, answered, slowest set-up in ms."""
    manners = "listen" if options.listen else "deaf"
    command = [options.generator, "127.0.0.1:%d" % options.port, str(options.sources), manners]
    command += ["%s:%s" % load for load in loads]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [tuple(map(int, line.split())) for line in out.splitlines()]


def per_s(slices, column, start_s, end_s):
    part = slices[round(start_s / SLICE_S):round(end_s / SLICE_S)]
    return sum(s[column] for s in part) / (end_s - start_s)


def capacity(options):
    """The most calls completed in a second, over rates rising by a tenth."""
    best, rate, worse = 0.0, options.start, 0
    while worse < 2:
        slices = play(options, [(rate, 3)])
        done = per_s(slices, 1, SETTLE_S, 3)
        print("  offered %6.0f/s  completed %6.0f/s" % (rate, done), file=sys.stderr)
        worse = worse + 1 if done < rate * 0.97 else 0
        best, rate = max(best, done), rate * 1.1
    return best


def capacity_now(options, peak):
    """What it completes of a little more than it can carry: on a machine with other tenants that changes by the minute."""
    slices = play(options, [(peak * 0.7, 1), (peak * 1.1, 4)])
    return per_s(slices, 1, 1 + SETTLE_S, 5)


def recovery_s(slices, after_s, peak):
    """How long after the load until every later call was answered within a quarter of a second."""
    start = round(after_s / SLICE_S)
    last = start
    for index in range(start, min(len(slices), start + round(AFTER_S / SLICE_S)) - 3):
        offered, _, _, answered, slowest = slices[index]
        if answered < offered * 0.99 or slowest > 250:
            last = index + 1
    return (last - start) * SLICE_S


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default=os.path.join(ROOT, "target/release/offhook"))
    parser.add_argument("--generator", default=os.path.join(ROOT, "target/release/offhook-overload"))
    parser.add_argument("--quota", type=int, default=1000, help="us of each 20 ms (1000)")
    parser.add_argument("--port", type=int, default=6100)
    parser.add_argument("--sources", type=int, default=1)
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--start", type=float, default=800, help="first rate of the search for the capacity (800)")
    parser.add_argument("--peak", type=float, help="the capacity, if it is known")
    parser.add_argument("--times", default="2,5,10")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--more", default="", help="more of the server's configuration")
    parser.add_argument("--log", default="error")
    options = parser.parse_args()
    if not os.path.exists(options.generator) or not os.path.exists(options.server):
        subprocess.run(["cargo", "build", "--release", "-p", "offhook", "-p", "offhook-overload"], cwd=ROOT, check=True)
    work = tempfile.mkdtemp(prefix="overload")
    server = Server(options, work)
    try:
        peak = options.peak or capacity(options)
        print("capacity: %.0f calls/s" % peak)
        print("| offered | calls/s | completed/s | capacity before and after | of it | refused/s | slowest set-up | well again after | server's processor |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for times in [float(t) for t in options.times.split(",")] * options.repeat:
            around = [capacity_now(options, peak)]
            before = server.cpu_s()
            slices = play(options, [(peak * 0.7, 2), (peak * times, LOAD_S), (peak * 0.7, AFTER_S)])
            cpu = server.cpu_s() - before
            done = per_s(slices, 1, 2 + SETTLE_S, 2 + LOAD_S)
            refused = per_s(slices, 2, 2 + SETTLE_S, 2 + LOAD_S)
            slowest = max(s[4] for s in slices[round((2 + SETTLE_S) / SLICE_S):round((2 + LOAD_S) / SLICE_S)])
            again = recovery_s(slices, 2 + LOAD_S, peak)
            around.append(capacity_now(options, peak))
            told = (times, peak * times, done, *around, 100 * done * 2 / sum(around), refused, slowest, again, cpu)
            print("| %gx | %.0f | %.0f | %.0f, %.0f | %.0f %% | %.0f | %d ms | %.1f s | %.2f s |" % told, flush=True)
            time.sleep(1)
    finally:
        server.stop()
        if server.process.returncode == -signal.SIGKILL:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
