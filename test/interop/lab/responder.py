"""A name server that misbehaves as it is told: slow, silent, truncated, lying."""

import socket
import struct
import threading
import time

from .ports import free_port

A, CNAME, SRV = 1, 5, 33


def name_bytes(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def srv(priority, port, target):
    return SRV, struct.pack("!HHH", priority, 1, port) + name_bytes(target)


def address(ip):
    return A, socket.inet_aton(ip)


def cname(target):
    return CNAME, name_bytes(target)


class Responder:
    """Answers by `zone[name] = (delay_s, [records])`; a delay of None is silence. By UDP only, so what is marked as
    truncated can never be had."""

    def __init__(self, zone, truncated=()):
        self.zone, self.truncated, self.port = zone, truncated, free_port()
        self.asked, self._closed = [], False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while not self._closed:
            try:
                question, source = self._socket.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self._answer, args=(question, source), daemon=True).start()

    def _answer(self, question, source):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        name, kind = ".".join(labels), struct.unpack("!H", question[at + 1:at + 3])[0]
        self.asked.append(name)
        delay_s, records = self.zone.get(name, (0, []))
        if delay_s is None:
            return
        time.sleep(delay_s)
        fit = [(k, data) for k, data in records if k in (kind, CNAME)]
        flags = 0x8580 | (0x0200 if name in self.truncated else 0)
        head = question[:2] + struct.pack("!HHHHH", flags, 1, len(fit), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", k, 1, 60, len(data)) + data for k, data in fit)
        try:
            self._socket.sendto(head + question[12:at + 5] + body, source)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closed = True
        self._socket.close()
