// Browser phones under test: any number of them in one page, each by JsSIP or by SIP.js. The driver calls
// `phones.NAME.…` and reads what happens from `events`: "NAME WORD…".

import JsSIP from "jssip";
import { Inviter, Messager, Registerer, RegistererState, SessionState, UserAgent } from "sip.js";

window.phones = {};
window.events = [];

const constraints = { audio: true, video: false };
const iceServers = [];

class JsSip {
  constructor(say, { uri, password, server }) {
    this.say = say;
    const sockets = [new JsSIP.WebSocketInterface(server)];
    this.agent = new JsSIP.UA({ sockets, uri, password, session_timers: false });
    this.agent.on("registered", () => say("registered"));
    this.agent.on("registrationFailed", event => say("unregistered", event.response?.status_code));
    this.agent.on("newRTCSession", ({ originator, session }) => this.take(originator, session));
    this.agent.on("newMessage", ({ originator, request }) => {
      if (originator === "remote") say("message", request.body);
    });
  }

  take(originator, session) {
    this.session = session;
    if (originator === "remote") this.say("rings");
    session.on("confirmed", () => this.say("up"));
    session.on("ended", () => this.say("down"));
    session.on("failed", ({ message, cause }) => this.say("down", message?.status_code ?? "", cause));
    session.on("hold", ({ originator }) => this.say("held", originator));
    session.on("unhold", ({ originator }) => this.say("resumed", originator));
    session.on("newDTMF", ({ originator, dtmf }) => { if (originator === "remote") this.say("digit", dtmf.tone); });
    session.on("refer", ({ accept }) => accept(() => {}, { mediaConstraints: constraints, pcConfig: { iceServers } }));
  }

  start() { this.agent.start(); }
  stop() { this.agent.stop(); }
  dial(uri) { this.agent.call(uri, { mediaConstraints: constraints, pcConfig: { iceServers } }); }
  answer() { this.session.answer({ mediaConstraints: constraints, pcConfig: { iceServers } }); }
  reject() { this.session.terminate({ status_code: 486 }); }
  hangup() { this.session.terminate(); }
  hold() { this.session.hold(); }
  resume() { this.session.unhold(); }
  info(digit) { this.session.sendDTMF(digit); }
  transfer(uri) {
    const session = this.session;
    session.refer(uri, { eventHandlers: { accepted: () => session.terminate() } });
  }
  message(uri, text) { this.agent.sendMessage(uri, text); }
}

class SipJs {
  constructor(say, { uri, user, password, server }) {
    this.say = say;
    this.agent = new UserAgent({
      uri: UserAgent.makeURI(uri),
      authorizationUsername: user,
      authorizationPassword: password,
      transportOptions: { server },
      sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 500, peerConnectionConfiguration: { iceServers } },
      delegate: {
        onInvite: invitation => { this.take(invitation); say("rings"); },
        onMessage: message => { message.accept(); say("message", message.request.body); },
      },
    });
  }

  take(session) {
    this.session = session;
    session.stateChange.addListener(state => {
      if (state === SessionState.Established) this.say("up");
      // The answer that ended it is told a moment later.
      if (state === SessionState.Terminated) setTimeout(() => this.say("down", this.status ?? ""));
    });
    session.delegate = {
      onInvite: ({ body }) => this.say(/a=(sendonly|inactive)/.test(body) ? "held" : "resumed", "remote"),
      onInfo: info => { this.say("digit", /Signal= *(\S)/.exec(info.request.body)?.[1]); info.accept(); },
      onRefer: async referral => {
        await referral.accept();
        const inviter = referral.makeInviter({ sessionDescriptionHandlerOptions: { constraints } });
        this.take(inviter);
        inviter.invite();
      },
      onNotify: notification => {
        notification.accept();
        if (/^SIP\/2\.0 2/.test(notification.request.body)) session.bye();
      },
    };
  }

  // A re-INVITE that says whether the call is on hold.
  async change(hold, says) {
    const sessionDescriptionHandlerOptions = { constraints, hold };
    this.session.sessionDescriptionHandlerOptionsReInvite = sessionDescriptionHandlerOptions;
    await this.session.invite({ requestDelegate: { onAccept: () => this.say(says, "local") }, sessionDescriptionHandlerOptions });
  }

  async start() {
    await this.agent.start();
    this.registerer = new Registerer(this.agent);
    this.registerer.stateChange.addListener(state => {
      if (state === RegistererState.Registered) this.say("registered");
    });
    const onReject = ({ message }) => this.say("unregistered", message.statusCode);
    await this.registerer.register({ requestDelegate: { onReject } });
  }

  async stop() { await this.registerer.unregister(); await this.agent.stop(); }

  dial(uri) {
    this.status = undefined;
    const inviter = new Inviter(this.agent, UserAgent.makeURI(uri), { sessionDescriptionHandlerOptions: { constraints } });
    this.take(inviter);
    const onReject = ({ message }) => { this.status = message.statusCode; };
    return inviter.invite({ requestDelegate: { onReject } });
  }

  answer() { return this.session.accept({ sessionDescriptionHandlerOptions: { constraints } }); }
  reject() { return this.session.reject({ statusCode: 486 }); }
  hold() { return this.change(true, "held"); }
  resume() { return this.change(false, "resumed"); }
  info(digit) {
    const content = `Signal=${digit}\r\nDuration=160\r\n`;
    const body = { contentDisposition: "render", contentType: "application/dtmf-relay", content };
    return this.session.info({ requestOptions: { body } });
  }
  transfer(uri) { return this.session.refer(UserAgent.makeURI(uri)); }
  hangup() { return this.session.state === SessionState.Established ? this.session.bye() : this.session.cancel(); }
  message(uri, text) { return new Messager(this.agent, UserAgent.makeURI(uri), text).message(); }
}

const kinds = { jssip: JsSip, sipjs: SipJs };

window.addPhone = (name, kind, account) => {
  const say = (...words) => window.events.push([name, ...words].join(" ").trim());
  window.phones[name] = new kinds[kind](say, account);
};

// What goes wrong in a promise that nobody waits for must be seen too.
window.addEventListener("unhandledrejection", ({ reason }) => window.events.push(`page ${reason?.message ?? reason}`));
