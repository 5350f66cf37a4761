#!/usr/bin/env python3
"""Lets real phones call through a server and says what went right.

    run.py --binary PATH              all groups of flows, a few side by side
    run.py --binary PATH --only G,…   these groups (--list names them)
    run.py --binary PATH --draw       all of them, and docs/interop.md says what they did
    KEEP=1 run.py …                   keeps the folders with every log

Each group has a server of its own: `PATH serve` on free ports of the loopback with a fresh data folder and the
accounts alice, bob and carol. The last line is "N passed, N failed"; the exit is 0 only if nothing failed.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True

from flows import branches, browsers, calls, desk, dnssec, families, fragments, identity, ladders, names, protected, refresh, restart, sctp, size, strangers, tools, trunks  # noqa: E402
from lab import child, table  # noqa: E402
from lab import baresip, linphone, pjsua  # noqa: E402
from lab.baresip import Baresip  # noqa: E402
from lab.browser import Browser  # noqa: E402
from lab.linphone import Linphone, Watcher  # noqa: E402
from lab.pjsua import PYTHON, Pjsua, Reliable, Timed  # noqa: E402
from lab.report import Report  # noqa: E402
from lab.server import Server  # noqa: E402

# What install.sh brings.
PROGRAMS = ("baresip", "linphonec", "sipp", "knotd", "kzonesign", "svcrack", "sipsak", "sip-options", "qemu-system-x86_64", "busybox")
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "interop.md")
LIMIT_S = 400
GROUPS_AT_ONCE = 6


class Lab:
    """What one group has: its server and a folder, and phones when it asks for them."""

    def __init__(self, server, folder):
        self.server, self.folder, self._phones = server, folder, 0

    def phone(self, kind, user, transport, password=None, family=4):
        self._phones += 1
        folder = os.path.join(self.folder, "%d-%s-%s" % (self._phones, user, kind.kind))
        return kind(folder, self.server.account(user, transport, password, family))


def phones(kind, transport, algorithm):
    """Two phones of one kind, everything people do with them."""
    def flows(check, lab):
        bob, alice = lab.phone(kind, "bob", transport), lab.phone(kind, "alice", transport)
        stranger = lab.phone(kind, "carol", transport, password="wrong")
        with bob, alice:
            calls.register(check, alice, bob)
            calls.answers_with(check, alice, algorithm)
            calls.call(check, alice, bob, ends=alice)
            calls.call(check, bob, alice, ends=alice)
            calls.refused(check, alice, bob)
            calls.given_up(check, alice, bob)
            calls.unknown_user(check, alice)
            calls.nobody_home(check, alice, "carol")
            with stranger:
                calls.wrong_password(check, stranger)
    return flows


def in_calls(kind, other, transport, attended=True):
    """What is done once a call is up, between phones of two makers, and what they write to each other."""
    def flows(check, lab):
        bob, bobs_new, carol = (lab.phone(who, user, transport) for who, user in ((other, "bob"), (other, "bob"), (kind, "carol")))
        with lab.phone(kind, "alice", transport) as alice:
            calls.register(check, alice)
            desk.message_kept(check, alice, bob)
            with bobs_new, carol:
                calls.register(check, bobs_new, carol)
                desk.message(check, alice, bobs_new)
                desk.message(check, bobs_new, alice)
                calls.call(check, bobs_new, alice, ends=alice)
                desk.hold_and_keys(check, alice, bobs_new)
                desk.blind_transfer(check, alice, bobs_new, carol)
                if attended:
                    desk.attended_transfer(check, alice, bobs_new, carol)
    return flows


def pjsua_options(check, lab):
    """What other phones here do not do: 100rel, session timers that are too short, INFO, UPDATE, watching somebody."""
    with lab.phone(Reliable, "alice", "tls") as alice, lab.phone(Reliable, "bob", "tcp") as bob:
        calls.register(check, alice, bob)
        desk.reliable(check, alice, bob)
    with lab.phone(Timed, "alice", "udp") as alice, lab.phone(Pjsua, "bob", "tls") as bob:
        calls.register(check, alice, bob)
        desk.timed(check, alice, bob)
        desk.info_and_update(check, alice, bob)
        desk.watches(check, alice, bob)


def linphone_gruu(check, lab):
    """What goes to the GRUU that Linphone writes as its Contact, in a call and in a subscription."""
    with lab.phone(Pjsua, "bob", "udp") as bob:
        calls.register(check, bob)
        bob.appear("online")
        with lab.phone(Watcher, "alice", "tls") as alice:
            calls.register(check, alice)
            desk.gruu_of_a_watcher(check, alice, bob)
    with lab.phone(Linphone, "alice", "tcp") as alice, lab.phone(Baresip, "carol", "udp") as carol:
        calls.register(check, alice, carol)
        desk.gruu(check, alice, carol)


def mixed(check, lab):
    """Phones of two makers on two transports; and one user with two phones."""
    alice = lab.phone(Baresip, "alice", "tcp")
    bob, bob_too = lab.phone(Linphone, "bob", "udp"), lab.phone(Baresip, "bob", "udp")
    with bob, alice:
        calls.register(check, alice, bob)
        calls.call(check, alice, bob, ends=bob)
        calls.call(check, bob, alice, ends=bob)
        with bob_too:
            calls.register(check, bob_too)
            calls.two_phones(check, alice, bob, bob_too)


def mixed_tls(check, lab):
    """Between TLS and UDP, both ways, by phones of two makers. RFC 5658 §4"""
    with lab.phone(Linphone, "bob", "udp") as bob, lab.phone(Baresip, "alice", "tls") as alice:
        calls.register(check, alice, bob)
        calls.call(check, alice, bob, ends=bob)
        calls.call(check, bob, alice, ends=alice)


def sipp(transport):
    """Every message as it should be, by SIPp."""
    def flows(check, lab):
        pair = ladders.Pair(check, lab, transport)
        for flow in ladders.QUICK:
            flow(pair)
    return flows


def sipp_by_ipv6(check, lab):
    """The flows in which addresses matter, over IPv6; and from one family to the other."""
    for transport in ("udp", "tcp"):
        pair = ladders.Pair(check, lab, transport, family=6)
        for flow in ladders.ADDRESSES:
            flow(pair)
    for families_of_the_two in ((4, 6), (6, 4)):
        families.ladder_across(ladders.Pair(check, lab, "udp", *families_of_the_two))


def by_ipv6(kind):
    """Two phones of one kind on IPv6, over UDP, TCP and TLS."""
    return lambda check, lab: families.by_ipv6(check, lab, kind, ("udp", "tcp", "tls"))


def both_families(check, lab):
    """From IPv4 to IPv6 and back. Linphone alone takes a call whose SDP is of the other family both ways."""
    with lab.phone(Linphone, "alice", "udp") as alice, lab.phone(Linphone, "bob", "tcp", family=6) as bob:
        calls.register(check, alice, bob)
        families.across(check, alice, bob)
        families.across(check, bob, alice)
        with lab.phone(Baresip, "carol", "udp") as carol:
            calls.register(check, carol)
            families.across(check, carol, bob)


def several_devices(check, lab):
    """A user's devices: early media of several, caller preferences, a phone that forwards."""
    pair = ladders.Pair(check, lab, "udp")
    for flow in (branches.early_media_of_two, branches.caller_preferences, branches.sent_on):
        flow(pair)


def session_timers(check, lab):
    identity.session_timers(ladders.Pair(check, lab, "udp"))


def pair_on_a_timer(flow, kind, transport="udp"):
    """A PJSUA that asks for a session timer, and another phone."""
    def flows(check, lab):
        with lab.phone(Timed, "alice", transport) as alice, lab.phone(kind, "bob", transport) as bob:
            flow(check, lab.server, alice, bob)
    return flows


def browser_phones(transport):
    """Two phones of two libraries in a browser; and each with a desk phone."""
    def flows(check, lab):
        with Browser(lab.folder) as browser:
            jssip, sipjs = browser.phone("jssip"), browser.phone("sipjs")
            alice, bob = lab.phone(jssip, "alice", transport), lab.phone(sipjs, "bob", transport)
            stranger = lab.phone(jssip, "carol", transport, password="wrong")
            with alice:
                with bob:
                    calls.register(check, alice, bob)
                    for a, b in ((alice, bob), (bob, alice)):
                        browsers.call(check, a, b, ends=alice)
                        browsers.call(check, a, b, ends=bob)
                        calls.refused(check, a, b)
                        calls.given_up(check, a, b)
                        browsers.message(check, a, b, "hello-from-%s" % a.account.user)
                        calls.unknown_user(check, a)
                        calls.nobody_home(check, a, "carol")
                    with stranger:
                        calls.wrong_password(check, stranger)
                browsers.with_desk_phones(check, lab, alice)
            in_calls_of_browsers(check, lab, transport, jssip, sipjs)
            with lab.phone(sipjs, "alice", transport) as alice:
                calls.register(check, alice)
                browsers.with_desk_phones(check, lab, alice)
    return flows


def in_calls_of_browsers(check, lab, transport, *kinds):
    """Hold, keys and a transfer, begun by each kind; by IPv6, so that this has its turn too."""
    for kind, other in (kinds, kinds[::-1]):
        alice, bob, carol = (lab.phone(k, user, transport, family=6) for k, user in ((kind, "alice"), (other, "bob"), (kind, "carol")))
        with alice, bob, carol:
            calls.register(check, alice, bob, carol)
            browsers.call(check, alice, bob, ends=bob)
            browsers.hold_and_keys(check, alice, bob)
            browsers.blind_transfer(check, alice, bob, carol)


def protected_sound(check, lab):
    """Each pair agrees on something else than plain sound."""
    for flow, kinds, transport in (
            (protected.srtp, (pjsua.Encrypted, linphone.Encrypted), "tls"),
            (protected.srtp, (baresip.Encrypted, pjsua.Encrypted), "tls"),
            (protected.srtp, (linphone.Encrypted, baresip.Encrypted), "tls"),
            (protected.dtls, (baresip.Handshaken, baresip.Handshaken), "udp"),
            (protected.zrtp, (linphone.Whispering, linphone.Whispering), "udp"),
            (protected.ice, (baresip.Connecting, linphone.Connecting), "udp"),
            (protected.ice, (linphone.Connecting, baresip.Connecting), "tcp")):
        with lab.phone(kinds[0], "alice", transport) as alice, lab.phone(kinds[1], "bob", transport) as bob:
            flow(check, alice, bob)


def contacts_watched(check, lab):
    for transport in ("udp", "tcp", "tls"):
        with lab.phone(baresip.Watched, "bob", transport) as bob:
            calls.register(check, bob)
            with lab.phone(baresip.Watcher, "alice", transport) as alice:
                calls.register(check, alice)
                desk.watches_a_contact(check, alice, bob)


def silence(check, lab):
    """A phone that says nothing; apart, because it takes as long as Timer B."""
    pair = ladders.Pair(check, lab, "udp")
    ladders.register(pair)
    ladders.no_response(pair)


def alone(flows):
    """Flows with servers of their own: the group's is left in peace."""
    def run(check, lab):
        folder = os.path.join(lab.folder, "own")
        os.makedirs(folder)
        flows(check, lab.server.binary, folder)
    return run


def killed(kind):
    """The server is killed in the middle of a call."""
    def flows(check, lab):
        with lab.phone(kind, "bob", "udp") as bob, lab.phone(kind, "alice", "udp") as alice:
            restart.killed_during_a_call(check, lab.server, alice, bob)
    return flows


# Built in is MD5 alone: baresip 1.0 refuses all challenges if one of them is for SHA-256, SIPp if the first one is.
SHA_TOO = '[digest]\nalgorithms = ["SHA-256", "MD5"]\n'

# baresip answers no challenge to MESSAGE: the flow by which it has registered must do. docs/messages.md
FLOWS_KNOWN = "[messages]\nfrom_registered_flows = true\n"

# Each with what it shows, its flows, and settings of its server. The slowest first, so that none of them is left over
# at the end.
GROUPS = {
    "timer-both-vanish": ("both phones of a call are killed: its session timer ends the record", pair_on_a_timer(refresh.both_vanish, Pjsua), refresh.TIMERS),
    "timer-one-vanishes": ("the caller is killed: the called phone hangs up in time", pair_on_a_timer(refresh.caller_vanishes, Pjsua, "tcp"), refresh.TIMERS),
    "timer-linphone": ("a call is refreshed by its session timer", pair_on_a_timer(refresh.refreshed, Linphone, "tcp"), refresh.TIMERS),
    "timer-baresip": ("the same, called is a phone that knows no session timers", pair_on_a_timer(refresh.refreshed, Baresip), refresh.TIMERS),
    "silence": ("a phone that says nothing, for as long as Timer B takes", silence, ""),
    "sctp": ("SIPp over SCTP, in a machine whose kernel has it", alone(sctp.in_a_machine), ""),
    "pjsua-linphone": ("hold, keys, transfers and messages between phones of two makers, over TCP", in_calls(Pjsua, Linphone, "tcp"), FLOWS_KNOWN),
    "linphone-pjsua": ("the same over TLS, by the other maker's phone", in_calls(Linphone, Pjsua, "tls"), FLOWS_KNOWN),
    "pjsua-baresip": ("the same over UDP, with another maker's", in_calls(Pjsua, Baresip, "udp", attended=False), FLOWS_KNOWN),
    "baresip-linphone": ("the same by that one", in_calls(Baresip, Linphone, "udp", attended=False), FLOWS_KNOWN),
    "protected": ("calls with SRTP, DTLS, ZRTP and ICE, which the phones agree on by themselves", protected_sound, ""),
    "pjsua-linphone-tls": ("hold, keys, transfers and messages over TLS", in_calls(Pjsua, Linphone, "tls"), FLOWS_KNOWN),
    "linphone-pjsua-udp": ("the same over UDP", in_calls(Linphone, Pjsua, "udp"), FLOWS_KNOWN),
    "linphone-pjsua-tcp": ("the same over TCP", in_calls(Linphone, Pjsua, "tcp"), FLOWS_KNOWN),
    "pjsua-linphone-udp": ("the same over UDP", in_calls(Pjsua, Linphone, "udp"), FLOWS_KNOWN),
    "baresip-pjsua-tcp": ("the same over TCP", in_calls(Baresip, Pjsua, "tcp", attended=False), FLOWS_KNOWN),
    "baresip-linphone-tls": ("the same over TLS", in_calls(Baresip, Linphone, "tls", attended=False), FLOWS_KNOWN),
    "linphone-ipv6": ("calls by IPv6, over UDP, TCP and TLS", by_ipv6(Linphone), SHA_TOO),
    "scanners": ("SIPVicious walks through names and guesses passwords", alone(strangers.scanners), ""),
    "browser-ws": ("JsSIP and SIP.js in Chromium, and desk phones", browser_phones("ws"), ""),
    "browser-wss": ("the same over TLS", browser_phones("wss"), ""),
    "names": ("next hops by name, with Knot DNS", alone(names.real_name_server), ""),
    "linphone-udp": ("two phones of one kind, everything people do with them", phones(Linphone, "udp", "SHA-256"), SHA_TOO),
    "linphone-tcp": ("the same over TCP", phones(Linphone, "tcp", "SHA-256"), SHA_TOO),
    "baresip-udp": ("the same with another kind", phones(Baresip, "udp", "MD5"), ""),
    "baresip-tcp": ("the same over TCP", phones(Baresip, "tcp", "MD5"), ""),
    "baresip-tls": ("the same over TLS, with the certificate of the first start", phones(Baresip, "tls", "MD5"), ""),
    "pjsua-udp": ("the same with another kind", phones(Pjsua, "udp", "SHA-256"), SHA_TOO),
    "pjsua-tcp": ("the same over TCP", phones(Pjsua, "tcp", "SHA-256"), SHA_TOO),
    "pjsua-tls": ("the same over TLS", phones(Pjsua, "tls", "SHA-256"), SHA_TOO),
    "pjsua-options": ("100rel, session timers that are too short, INFO, UPDATE, SUBSCRIBE", pjsua_options, desk.TIMERS),
    "linphone-tls": ("the same with another kind", phones(Linphone, "tls", "SHA-256"), SHA_TOO),
    "mixed-tls": ("a phone on TLS and one on UDP, of two makers", mixed_tls, ""),
    "mixed": ("phones of two makers on two transports; a user with two phones", mixed, ""),
    "sipp-udp": ("every message as it should be, and a little load", sipp("udp"), ""),
    "sipp-tcp": ("the same over TCP", sipp("tcp"), ""),
    "baresip-ipv6": ("the same with another kind", by_ipv6(Baresip), ""),
    "sipp-ipv6": ("every message by IPv6, and from IPv4 to IPv6 and back", sipp_by_ipv6, ""),
    "ipv4-ipv6": ("phones on IPv4 and on IPv6 call each other", both_families, ""),
    "devices": ("several devices of one user, by SIPp", several_devices, ""),
    "timers": ("session timers between phones that know them and phones that do not, by SIPp", session_timers, desk.TIMERS),
    "identity": ("who calls, as trusted and other trunks hear it, by SIPp", alone(identity.trusted_and_not), ""),
    "dnssec": ("names that are signed well, badly and not at all, with Knot DNS", alone(dnssec.signed_zones), ""),
    "trunk": ("a provider that wants a registration and credentials, by SIPp", alone(trunks.provider), ""),
    "linphone-gruu": ("calls and subscriptions of a phone whose Contact is its GRUU", linphone_gruu, ""),
    "watchers": ("phones that watch those in their contacts, over UDP, TCP and TLS", contacts_watched, ""),
    "tools": ("sipsak and sip-options, which ask a server how it is", alone(tools.ask), ""),
    "fragments": ("an INVITE of 1.8 kB by UDP, where a packet carries 1,500 bytes", alone(fragments.large_invite), ""),
    "size": ("the memory that the empty server takes", alone(size.empty_server), ""),
    "names-bad": ("a name server that is slow, silent, truncated or lying", alone(names.misbehaving_name_server), ""),
    "killed-baresip": ("the server is killed in the middle of a call", killed(Baresip), ""),
    "killed-linphone": ("the same with another kind of phone", killed(Linphone), ""),
}

# Those that do little but wait: they run beside the others.
WAITING = ("timer-both-vanish", "timer-one-vanishes", "timer-linphone", "timer-baresip", "silence")


def run_group(name, binary, folder, report):
    """One group with its server. Whatever goes wrong is one more failed check."""
    check, (_, flows, settings) = report.group(name), GROUPS[name]
    folder = os.path.join(folder, name)
    os.makedirs(folder)
    try:
        with Server(binary, folder, settings) as server:
            flows(check, Lab(server, folder))
            check(server.child.alive() and not server.child.count("panicked at"),
                  "the server stands at the end", server.child.tail(30))
    except Exception:  # a group that breaks must not take the others with it
        check(False, "the group ran to its end", traceback.format_exc())


def stop_when_late(report):
    """A run that hangs ends with what it has, and says so."""
    def late(*_):
        report.group("run")(False, "ended within %d s" % LIMIT_S)
        child.stop_all()
        os._exit(report.close())
    signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)


def page_is_true(report, draw):
    """Once everything was played: docs/interop.md says what."""
    if draw:
        table.draw(PAGE)
    wrong = table.compare(PAGE)
    report.group("run")(not wrong, "docs/interop.md says what was played; --draw writes it", wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the offhook program under test")
    parser.add_argument("--only", help="groups to run, with commas between them")
    parser.add_argument("--draw", action="store_true", help="writes into docs/interop.md what was played")
    parser.add_argument("--list", action="store_true", help="names the groups")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join("%-16s %s" % (name, says) for name, (says, *_) in GROUPS.items()))
        return 0
    if not arguments.binary or not os.access(arguments.binary, os.X_OK):
        parser.error("--binary wants a program; `cargo build --release` makes target/release/offhook")
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    missing += [name for name, path in (("pjsua2", PYTHON),) if not os.access(path, os.X_OK)]
    if missing:
        parser.error("not installed: %s; test/interop/install.sh installs them" % ", ".join(missing))
    wanted = arguments.only.split(",") if arguments.only else GROUPS
    unknown = [name for name in wanted if name not in GROUPS]
    if unknown:
        parser.error("no group %s; --list names them" % ", ".join(unknown))

    report, folder = Report(), tempfile.mkdtemp(prefix="interop.")
    stop_when_late(report)
    with ThreadPoolExecutor(GROUPS_AT_ONCE) as working, ThreadPoolExecutor(len(WAITING)) as waiting:
        for name in (name for name in GROUPS if name in wanted):
            pool = waiting if name in WAITING else working
            pool.submit(run_group, name, os.path.abspath(arguments.binary), folder, report)
    if not arguments.only and not report.failed:
        page_is_true(report, arguments.draw)
    if os.environ.get("KEEP") == "1":
        print("kept: " + folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
