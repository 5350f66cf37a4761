"""One phone by PJSUA2. Lines on its input tell it what to do, lines on its output say what happened.

    python worker.py '{"user": "alice", …}'     # lab/pjsua.py says what stands in there

It runs in the virtual environment that install.sh makes, for the library comes from there. There is one thread, and no
sound card: a file is played into the call, and what comes is written to another.
"""

import ctypes
import json
import os
import select
import sys

import pjsua2 as pj

REGISTER_EXPIRES_S = 3600
CLOCK_HZ = 16000
MEDIA_PORTS = 20
SESSION_EXPIRES_S = 90  # the least that RFC 4028 §5 allows

# The library is built without IPv6.
KINDS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}


LIBC = ctypes.CDLL(None)


def say(*words):
    """The library leaves its log in a buffer: what led to these words is written first, for who reads it then."""
    LIBC.fflush(None)
    print(*words, flush=True)


class Call(pj.Call):
    """One call. Its recording is closed before anybody is told that it is over."""

    def __init__(self, phone, identifier=pj.PJSUA_INVALID_ID):
        super().__init__(phone.account, identifier)
        self.phone, self.recorder = phone, None

    def onCallState(self, _):
        now = self.getInfo()
        if now.state == pj.PJSIP_INV_STATE_CONFIRMED:
            say("up", now.id)
        elif now.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.recorder = None
            self.phone.over(self, now.id)
            say("down", now.lastStatusCode, now.lastReason)

    def onCallMediaState(self, _):
        info = self.getInfo()  # what it holds lives as long as it does
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                self._connect(self.getAudioMedia(index))
                say("talking")
            elif media.status in (pj.PJSUA_CALL_MEDIA_LOCAL_HOLD, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD):
                say("held")

    def _connect(self, sound):
        if self.recorder is None:
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(self.phone.next_recording())
        self.phone.player.startTransmit(sound)
        sound.startTransmit(self.recorder)

    def onDtmfDigit(self, event):
        say("digit", event.digit)

    def onCallTransferRequest(self, event):
        # The new call must be kept somewhere, or Python forgets it while the library still needs it.
        event.newCall = self.phone.keep(Call(self.phone))
        say("referred", event.dstUri)

    def onCallTransferStatus(self, event):
        say("transferred", event.statusCode)
        event.cont = True
        if event.finalNotify and event.statusCode // 100 == 2:
            self.hangup(pj.CallOpParam())

    def onCallReplaceRequest(self, event):
        event.newCall = self.phone.keep(Call(self.phone))

    def onCallReplaced(self, _):
        say("replaced")


class Account(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, event):
        say("registration", event.code)

    def onIncomingCall(self, event):
        call = self.phone.keep(Call(self.phone, event.callId))
        ringing = pj.CallOpParam()
        ringing.statusCode = 180
        call.answer(ringing)
        say("incoming")

    def onInstantMessage(self, event):
        say("message", json.dumps(event.msgBody))

    def onInstantMessageStatus(self, event):
        say("message-status", event.code)


class Buddy(pj.Buddy):
    """Somebody who is watched or written to."""

    def onBuddyState(self):
        info = self.getInfo()
        status = info.presStatus
        say("state", info.uri, {pj.PJSUA_BUDDY_STATUS_ONLINE: "online", pj.PJSUA_BUDDY_STATUS_OFFLINE: "offline"}.get(status.status, "unknown"))


class Phone:
    """The library, one account, and its calls in the order in which they came."""

    def __init__(self, settings):
        self.settings, self.calls, self.kept, self.recordings = settings, [], [], 0
        self.endpoint = pj.Endpoint()
        self._start_library()
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(settings["say"])
        self.account = Account(self)
        self.account.create(self._account_config())
        self.buddies = {}

    def _start_library(self):
        settings, config, transport = self.settings, pj.EpConfig(), pj.TransportConfig()
        config.logConfig.level, config.logConfig.consoleLevel = 5, 0
        config.logConfig.filename = settings["log"]
        config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly = 0, True
        config.medConfig.noVad, config.medConfig.ecTailLen = True, 0
        config.medConfig.clockRate = config.medConfig.sndClockRate = CLOCK_HZ
        transport.port, transport.boundAddress = settings["port"], settings["bind"]
        transport.tlsConfig.CaListFile = settings["authority"] or ""
        transport.tlsConfig.verifyServer = bool(settings["authority"])
        transport.tlsConfig.method = pj.PJSIP_TLSV1_2_METHOD
        self.endpoint.libCreate()
        self.endpoint.libInit(config)
        self.endpoint.transportCreate(KINDS[settings["transport"]], transport)
        self.endpoint.audDevManager().setNullDev()
        self.endpoint.libStart()
        for codec in self.endpoint.codecEnum2():
            self.endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU/") else 0)

    def _account_config(self):
        settings, config = self.settings, pj.AccountConfig()
        config.idUri = "sip:%s@%s" % (settings["user"], settings["domain"])
        config.regConfig.registrarUri = "sip:%s;transport=%s" % (settings["domain"], settings["transport"])
        config.regConfig.timeoutSec = REGISTER_EXPIRES_S
        config.sipConfig.proxies.append(settings["proxy"] + ";lr")
        credentials = pj.AuthCredInfo("digest", "*", settings["user"], 0, settings["password"])
        config.sipConfig.authCreds.append(credentials)
        # What it finds out about a NAT it would write into its Contact; there is none.
        config.natConfig.contactRewriteUse = config.natConfig.viaRewriteUse = config.natConfig.sdpNatRewriteUse = 0
        config.natConfig.sipOutboundUse = 0
        media = config.mediaConfig.transportConfig
        media.port, media.portRange, media.boundAddress = settings["media_port"], MEDIA_PORTS - 2, settings["bind"]
        if settings.get("timer"):
            config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
            config.callConfig.timerMinSESec = config.callConfig.timerSessExpiresSec = SESSION_EXPIRES_S
        if settings.get("encrypted"):
            config.mediaConfig.srtpUse, config.mediaConfig.srtpSecureSignaling = pj.PJMEDIA_SRTP_MANDATORY, 0
            config.mediaConfig.srtpOpt.keyings = pj.IntVector([pj.PJMEDIA_SRTP_KEYING_SDES])
        if settings.get("reliable"):
            config.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
        return config

    def keep(self, call):
        self.calls.append(call)
        return call

    def over(self, call, identifier):
        self.calls.remove(call)
        self.kept.append(call)  # its callback still runs

    def next_recording(self):
        self.recordings += 1
        path = self.settings["heard"] % self.recordings
        say("recording", path)
        return path

    # What it is told, by the first word of a line. The call meant is the one that came last.

    def dial(self, uri):
        option = pj.CallOpParam(True)
        option.opt.audioCount, option.opt.videoCount = 1, 0
        self.keep(Call(self)).makeCall(uri, option)

    def answer(self, status):
        option = pj.CallOpParam(True)
        option.statusCode = int(status)
        self.calls[-1].answer(option)

    def hangup(self, _):
        for call in list(self.calls):
            call.hangup(pj.CallOpParam())

    def hold(self, _):
        self.calls[-1].setHold(pj.CallOpParam(True))

    def resume(self, _):
        option = pj.CallOpParam(True)
        option.opt.flag, option.opt.audioCount, option.opt.videoCount = pj.PJSUA_CALL_UNHOLD, 1, 0
        self.calls[-1].reinvite(option)

    def update(self, _):
        option = pj.CallOpParam(True)
        option.opt.audioCount, option.opt.videoCount = 1, 0
        self.calls[-1].update(option)

    def transfer(self, uri):
        self.calls[-1].xfer(uri, pj.CallOpParam(True))

    def connect(self, _):
        """Puts the parties of its two calls together."""
        self.calls[0].xferReplaces(self.calls[1], pj.CallOpParam(True))

    def digit(self, digit):
        self.calls[-1].dialDtmf(digit)

    def write(self, rest):
        uri, _, text = rest.partition(" ")
        content = pj.SendInstantMessageParam()
        content.content, content.contentType = text, "text/plain"
        self._buddy(uri).sendInstantMessage(content)

    def watch(self, uri):
        self._buddy(uri).subscribePresence(True)

    def _buddy(self, uri):
        if uri not in self.buddies:
            config = pj.BuddyConfig()
            config.uri, config.subscribe = uri, False
            self.buddies[uri] = Buddy()
            self.buddies[uri].create(self.account, config)
        return self.buddies[uri]

    def appear(self, state):
        """`online` or `offline`, for who watches."""
        status = pj.PresenceStatus()
        status.status = pj.PJSUA_BUDDY_STATUS_ONLINE if state == "online" else pj.PJSUA_BUDDY_STATUS_OFFLINE
        self.account.setOnlineStatus(status)

    def info(self, digit):
        """A key by INFO, as older gateways want it."""
        parameters = pj.CallSendDtmfParam()
        parameters.method, parameters.digits = pj.PJSUA_DTMF_METHOD_SIP_INFO, digit
        self.calls[-1].sendDtmf(parameters)

    def run(self):
        """Until its input ends or says `quit`."""
        say("ready")
        text = b""
        while True:
            self.endpoint.libHandleEvents(10)
            LIBC.fflush(None)  # what was sent by itself is read too
            while select.select([0], [], [], 0)[0]:
                got = os.read(0, 4096)
                *lines, text = (text + got).split(b"\n")
                for line in lines:
                    self._do(line.decode())
                if not got or b"quit" in lines:
                    return

    def _do(self, line):
        command, _, rest = line.partition(" ")
        try:
            if command != "quit":
                getattr(self, command)(rest)
        except (pj.Error, IndexError) as error:
            say("failed", line, str(error).split("\n")[0])


if __name__ == "__main__":
    PHONE = Phone(json.loads(sys.argv[1]))
    PHONE.run()
    PHONE.account.shutdown()
    PHONE.endpoint.libDestroy()
    os._exit(0)  # Python would take the library's objects apart in an order that it does not survive
