"""The least a SIP neighbour can be: it answers every request by UDP with one status, or not at all; and one who asks."""

import itertools
import re
import socket
import threading
import time

from .ports import free_port

_calls = itertools.count(1)


class Peer:
    """Counts what it gets; `status` None is silence. OPTIONS from a server that asks whether it lives count apart."""

    def __init__(self, status=200):
        self.status, self.port, self.got, self.probes = status, free_port(), 0, 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                request, source = self._socket.recvfrom(65535)
            except OSError:
                return
            text = request.decode("utf-8", "replace")
            if "Call-ID: probe-" in text:
                self.probes += 1
            else:
                self.got += 1
            if self.status is not None and not text.startswith("ACK"):
                keep = re.findall(r"(?mi)^(?:Via|From|To|Call-ID|CSeq): .*\r\n", text)
                keep = [re.sub(r"\r\n$", ";tag=peer\r\n", line) if line.startswith("To:") else line for line in keep]
                answer = "SIP/2.0 %d Peer\r\n%sContent-Length: 0\r\n\r\n" % (self.status, "".join(keep))
                self._socket.sendto(answer.encode(), source)

    def close(self):
        self._socket.close()


def ask(server, uri, timeout_s=8):
    """OPTIONS for the URI through the server: the status of the final answer (None is silence) and how long it took."""
    call = next(_calls)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(0.2)
        port = phone.getsockname()[1]
        request = (
            "OPTIONS %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bKask%d-%d\r\nMax-Forwards: 70\r\n"
            "From: <sip:alice@sip.test>;tag=a%d\r\nTo: <%s>\r\nCall-ID: ask-%d-%d\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n" % (uri, port, port, call, call, uri, port, call))
        begun = time.monotonic()
        phone.sendto(request.encode(), (server.host, server.port))
        while time.monotonic() - begun < timeout_s:
            try:
                status = int(phone.recv(65535).split(b" ", 2)[1])
            except socket.timeout:
                continue
            if status >= 200:
                return status, time.monotonic() - begun
    return None, timeout_s
