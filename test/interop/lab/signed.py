"""Signed zones: a root of the test's own and zones below it, signed with Knot's kzonesign, served by knotd.

    .            signed; its key is the trust anchor
    ├─ good.     signed
    ├─ late.     signed, until a month ago
    ├─ forged.   signed, then a record was changed
    ├─ bare.     the root says that it is signed, and it is not
    └─ plain.    not signed, and the root says so
"""

import os
import re
import subprocess
import time

from .knot import Knot, find

SOA = "$ORIGIN %s\n$TTL 300\n@ SOA ns.good. hostmaster.good. 1 3600 600 86400 2\n@ NS ns.good.\n"
ZONES = ("good", "late", "forged", "bare", "plain")
MONTH_S = 30 * 86400


class SignedKnot(Knot):
    """`records` is what every zone below the root holds. `anchors` is the file with the root's key."""

    def __init__(self, folder, records):
        self._keys = os.path.join(folder, "kasp")
        os.makedirs(self._keys)
        self.anchors = os.path.join(folder, "anchors")
        zones = {zone + ".": SOA % (zone + ".") + "ns A 127.0.0.1\n" + records for zone in ZONES}
        zones["."] = SOA % "." + "ns.good. A 127.0.0.1\n" + "".join("%s. NS ns.good.\n" % zone for zone in ZONES)
        self._folder = folder
        for zone in ("good", "late", "forged", "bare"):
            self._write(zone + ".", zones[zone + "."])
            signed = self._sign(zone + ".", days_ago=60 if zone == "late" else 0)
            zones["."] += self._run("keymgr", "-c", self._signing, zone + ".", "ds")
            if zone != "bare":
                zones[zone + "."] = signed
        zones["forged."] = re.sub(r"(\sSRV\s+)10 1 ", r"\g<1>10 2 ", zones["forged."])
        self._write(".", zones["."])
        zones["."] = self._sign(".")
        with open(self.anchors, "w") as file:
            keys = re.findall(r"(?m)^\.\s.*\sDNSKEY\s+(257 .*)$", zones["."])
            file.write("; the root of the test\n" + "".join(". 300 IN DNSKEY %s\n" % key for key in keys))
        super().__init__(folder, zones)

    def _write(self, zone, text):
        with open(self._path(zone), "w") as file:
            file.write(text)

    def _path(self, zone):
        return os.path.join(self._keys, zone.rstrip(".") or "root")

    @property
    def _signing(self):
        """A configuration to sign with, made once."""
        path = os.path.join(self._keys, "conf")
        if not os.path.exists(path):
            zones = "".join('  - domain: "%s"\n    file: "%s"\n    dnssec-signing: on\n    dnssec-policy: test\n'
                            % (zone, self._path(zone)) for zone in (".", *(zone + "." for zone in ZONES)))
            with open(path, "w") as file:
                file.write('database:\n    storage: "{0}"\ntemplate:\n  - id: default\n    storage: "{0}"\n'
                           'policy:\n  - id: test\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n'
                           '    rrsig-lifetime: 30d\n    rrsig-refresh: 7d\n'
                           'zone:\n{1}'.format(self._keys, zones))
        return path

    def _sign(self, zone, days_ago=0):
        """The zone with its signatures."""
        out = os.path.join(self._keys, "signed-" + (zone.rstrip(".") or "root"))
        os.makedirs(out)
        when = ["-t", str(int(time.time()) - days_ago * 86400)] if days_ago else []
        self._run("kzonesign", "-c", self._signing, "-o", out, *when, zone)
        [name] = os.listdir(out)
        with open(os.path.join(out, name)) as file:
            return file.read()

    def _run(self, *argv):
        done = subprocess.run([find(argv[0]), *argv[1:]], capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise RuntimeError("%s: %s%s" % (" ".join(argv), done.stdout, done.stderr))
        return done.stdout
