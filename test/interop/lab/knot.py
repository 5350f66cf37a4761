"""A real name server: Knot DNS with a zone that the test writes, on a port of the loopback."""

import os
import shutil
import subprocess
import time

from .child import Child
from .ports import free_port

READY_S = 10


def program():
    """knotd, which Debian puts where only root looks."""
    return shutil.which("knotd") or shutil.which("knotd", path="/usr/sbin:/sbin")


class Knot:
    """Serves one zone from `with` to its end; `kill` takes it away in between."""

    def __init__(self, folder, origin, records):
        self.folder, self.port = os.path.join(folder, "knot"), free_port()
        os.makedirs(self.folder)
        zone = os.path.join(self.folder, "zone")
        with open(zone, "w") as file:
            file.write("$ORIGIN %s.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 2\n@ NS ns\nns A 127.0.0.1\n" % origin)
            file.write(records)
        self.config = os.path.join(self.folder, "knot.conf")
        with open(self.config, "w") as file:
            file.write(
                'server:\n    rundir: "{0}"\n    listen: 127.0.0.1@{1}\n'
                'log:\n  - target: stdout\n    any: info\n'
                'database:\n    storage: "{0}"\n'
                'template:\n  - id: default\n    storage: "{0}"\n'
                'zone:\n  - domain: {2}\n    file: "{3}"\n'.format(self.folder, self.port, origin, zone))
        self.child = None

    def __enter__(self):
        argv = [program(), "-c", self.config]
        self.child = Child(argv, os.path.join(self.folder, "log"))
        if not self.child.expect("server started|loaded, serial", READY_S, from_start=True):
            raise RuntimeError("knotd does not start:\n" + self.child.tail())
        time.sleep(0.3)
        return self

    def kill(self):
        self.child.kill()

    def __exit__(self, *_):
        if self.child.alive():
            self.child.stop()


def version():
    return subprocess.run([program(), "--version"], capture_output=True, text=True, timeout=10).stdout.strip()
