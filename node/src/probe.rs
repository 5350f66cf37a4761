//! OPTIONS to next hops that are taken for dead: whatever they answer but that they are busy or reach nobody, they live
//! (RFC 3261 §11).

use offhook_journal::Event;
use offhook_locate::Hop;
use offhook_net::Outbox;
use offhook_proxy::Place;
use offhook_route::Toward;
use offhook_transaction::ClientId;

use crate::beyond::{Errand, Leg};
use crate::context::Downstream;
use crate::hop;
use crate::servers::hop_of;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

impl Switchboard {
    /// Asks those whose turn it is.
    pub(crate) fn probe_dead(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        if self.health.is_empty() {
            return;
        }
        for hop in self.health.due(now_ms) {
            self.probe(settings, now_ms, hop, Leg { errand: Errand::Probe, ..Leg::default() }, out);
        }
    }

    /// Asks one.
    pub(crate) fn probe(&mut self, settings: &Settings, now_ms: u64, hop: Hop, leg: Leg, out: &mut Outbox) {
        let Some(flow) = hop::to_address(hop.transport, hop.address, &settings.listeners, u16::MAX) else {
            return;
        };
        let Some(local) = settings.identity.local(flow.listener) else { return };
        let mut flow = flow;
        if let Some(domain) = flow.transport.is_secure().then(|| self.proof_of(settings, hop)).flatten() {
            flow.connection = out.toward(&domain);
        }
        let downstream = Downstream::errand(flow, leg);
        let reliable = flow.transport.is_reliable();
        let Ok(client) = self.transactions.open_client(now_ms, false, reliable, downstream) else { return };
        let start = out.begin();
        let arena = out.arena();
        let head = format!(
            "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/{via} {by};rport;branch=",
            to = hop.address,
            via = hop.transport.via_token(),
            by = local.sent_by,
        );
        arena.extend_from_slice(head.as_bytes());
        let place = Place { shard: self.shard, transaction: client.to_bits() };
        self.cookies.write_branch(place, 0, arena);
        let (us, call) = (&local.sent_by, client.to_bits());
        let rest = format!(
            "\r\nMax-Forwards: 1\r\nFrom: <sip:{us}>;tag=probe{call:x}\r\nTo: <sip:{to}>\r\n\
             Call-ID: probe-{call:x}-{now_ms:x}@{us}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            to = hop.address,
        );
        arena.extend_from_slice(rest.as_bytes());
        let end = out.begin();
        self.transactions.set_request(client, out.bytes(start..end));
        out.send(start, flow, client.to_bits());
        if leg.errand == Errand::Check {
            self.transactions.set_user_timer(now_ms, client, settings.failover_after_ms);
        }
    }

    /// By TLS: what the configuration says that this next hop must prove to be (RFC 5922 §7.3); else its address.
    fn proof_of(&self, settings: &Settings, hop: Hop) -> Option<String> {
        let trunks = settings.routing.trunks().iter().flat_map(|trunk| &trunk.targets);
        let of_rules = settings.routing.next_hops();
        let all = of_rules.chain(trunks.map(|target| (&target.toward, target.proves.as_deref())));
        let mut fitting = all.filter_map(|(toward, proves)| match toward {
            Toward::Address(known) => (known.address == hop.address).then(|| proves.map(str::to_owned)),
            Toward::Name(wanted) => {
                let located = self.names.last_found(wanted)?;
                let name = || Some(proves.unwrap_or(wanted.host.as_str()).to_owned());
                located.order(0).contains(&hop).then(name)
            }
        });
        fitting.next().flatten()
    }

    /// The next hop that this request went to has said something; anything but 503 is a sign of life, and 408 to a call too:
    /// it is somebody behind it who does not answer.
    #[inline]
    pub(crate) fn note_alive(&mut self, now_ms: u64, asked: ClientId, status: u16) {
        if self.health.is_deaf() {
            return;
        }
        let Some(record) = self.transactions.client(asked) else { return };
        let (hop, is_question) = (hop_of(&record.user.flow), record.user.leg.errand.is_question());
        self.health.watch.note_answer(now_ms, hop, status);
        let lives = status != 503 && !(status == 408 && is_question);
        if lives && self.health.note_alive(hop) {
            let event = Event::TargetAlive { target: hop.address, transport: hop.transport.name() };
            self.journal.note(now_ms, &event);
        }
    }
}
