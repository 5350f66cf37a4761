"""A real name server: Knot DNS with zones that the test writes, on a port of the loopback."""

import os
import shutil
import subprocess
import time

from .child import Child
from .ports import free_port

READY_S = 10


def find(program):
    """Debian puts some of Knot's programs where only root looks."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin") or program


def zone(origin, records):
    """A zone with what every zone needs, and these records."""
    soa = "$ORIGIN %s.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 2\n@ NS ns\nns A 127.0.0.1\n"
    return {origin + ".": soa % origin + records}


class Knot:
    """Serves zones, the text of each by its name, from `with` to its end; `kill` takes it away in between."""

    def __init__(self, folder, zones):
        self.folder, self.port = os.path.join(folder, "knot"), free_port()
        os.makedirs(self.folder)
        entries = ""
        for name, text in zones.items():
            path = os.path.join(self.folder, "zone-" + (name.rstrip(".") or "root"))
            entries += '  - domain: "%s"\n    file: "%s"\n' % (name, path)
            with open(path, "w") as file:
                file.write(text)
        self.config = os.path.join(self.folder, "knot.conf")
        with open(self.config, "w") as file:
            file.write(
                'server:\n    rundir: "{0}"\n    listen: 127.0.0.1@{1}\n'
                'log:\n  - target: stdout\n    any: info\n'
                'database:\n    storage: "{0}"\n'
                'template:\n  - id: default\n    storage: "{0}"\n'
                'zone:\n{2}'.format(self.folder, self.port, entries))
        self.child = None

    def __enter__(self):
        argv = [find("knotd"), "-c", self.config]
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
    return subprocess.run([find("knotd"), "--version"], capture_output=True, text=True, timeout=10).stdout.strip()
