//! Kept messages on their way: the server is the sender's agent and sends a MESSAGE to every device of the recipient, as
//! when it came (RFC 3428 §6). The first 2xx is enough.
//!
//! ```text
//!   Told::Deliver ─► bindings ─► a client transaction each ─► answers ─► judged together ─► Desk::done
//! ```

use offhook_message::{Delivery, judge, worse};
use offhook_net::Outbox;
use offhook_proxy::Place;
use offhook_transaction::ClientId;
use offhook_undelivered::{Outcome, Parcel};

use crate::beyond::Leg;
use crate::context::Downstream;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};

/// What is under way from this shard: as many as the keeper hands out.
#[derive(Default, Debug)]
pub(crate) struct Deliveries {
    list: Vec<OnItsWay>,
    /// The number of the last one. 0 is none's.
    last: u32,
}

#[derive(Debug)]
struct OnItsWay {
    number: u32,
    id: u64,
    aor: Box<[u8]>,
    /// Devices that have said nothing final.
    open: usize,
    /// What the others have said together.
    said: Option<Outcome>,
}

impl Deliveries {
    fn next_number(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1).max(1);
        self.last
    }

    /// One device has said something final. The delivery, if that is the end of it.
    fn heard(&mut self, number: u32, outcome: Outcome) -> Option<(OnItsWay, Outcome)> {
        let place = self.list.iter().position(|delivery| delivery.number == number)?;
        let delivery = self.list.get_mut(place)?;
        delivery.open = delivery.open.saturating_sub(1);
        let said = if outcome == Outcome::Delivered { outcome } else { worse(delivery.said, outcome) };
        delivery.said = Some(said);
        let is_over = delivery.open == 0 || said == Outcome::Delivered;
        is_over.then(|| (self.list.swap_remove(place), said))
    }
}

impl Switchboard {
    /// Sends a kept message to all devices of its recipient.
    pub(crate) fn deliver(&mut self, settings: &Settings, now_ms: u64, parcel: Parcel, out: &mut Outbox) {
        let mut targets = std::mem::take(&mut self.targets);
        targets.clear();
        self.location.read(&parcel.aor, now_ms, |bindings| {
            bindings.filter(|binding| !self.is_gone(binding)).for_each(|binding| {
                // Where there is no way for it the binding counts as absent.
                let _ =
                    targets.push_binding(&binding, &settings.listeners, binding.flow.listener, parcel.secure);
            });
        });
        targets.order(settings.fork_targets_max);
        let number = self.deliveries.next_number();
        let sent = targets.list().iter().filter(|target| {
            self.send_delivery(settings, now_ms, (number, &parcel.content), (target, &targets), out)
        });
        let (open, devices) = (sent.count(), targets.list().len());
        self.targets = targets;
        if open == 0 {
            let outcome = if devices == 0 { Outcome::Absent } else { Outcome::Failed };
            return self.undelivered.done(parcel.id, parcel.aor, outcome);
        }
        self.deliveries.list.push(OnItsWay { number, id: parcel.id, aor: parcel.aor, open, said: None });
    }

    fn send_delivery(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (number, content): (u32, &[u8]),
        (target, texts): (&Target, &Targets),
        out: &mut Outbox,
    ) -> bool {
        let flow = target.flow;
        let Some(local) = settings.identity.local(flow.listener) else { return false };
        let reliable = flow.transport.is_reliable();
        let downstream = Downstream { device: number, ..Downstream::errand(flow, Leg::default()) };
        let Ok(client) = self.transactions.open_client(now_ms, false, reliable, downstream) else {
            return false;
        };
        let rport = if reliable { "" } else { ";rport" };
        let via = format!("SIP/2.0/{} {}{rport};branch=", flow.transport.via_token(), local.sent_by);
        let uri = target.uri.as_ref().map(|uri| texts.text(uri)).unwrap_or_default();
        let delivery = Delivery { content, uri, path: texts.text(&target.path), via: &via };
        let place = Place { shard: self.shard, transaction: client.to_bits() };
        let start = out.begin();
        delivery.write(|arena| self.cookies.write_branch(place, 0, arena), out.arena());
        let end = out.begin();
        self.transactions.set_request(client, out.bytes(start..end));
        out.send(start, flow, client.to_bits());
        true
    }

    /// A request of our own has its final answer (408: silence, 503: no way). Nothing if it was no delivery.
    pub(crate) fn delivery_said(&mut self, id: ClientId, status: u16) {
        let Some(record) = self.transactions.client_mut(id) else { return };
        if status < 200 || std::mem::replace(&mut record.user.finished, true) {
            return;
        }
        let number = record.user.device;
        if let Some((delivery, said)) = self.deliveries.heard(number, judge(status)) {
            self.undelivered.done(delivery.id, delivery.aor, said);
        }
    }
}
