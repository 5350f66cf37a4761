//! Targets of trunks that nobody calls: asked by OPTIONS whether they live (RFC 3261 §11), so that the first caller of the
//! day need not find out.
//!
//! ```text
//!   shard 0 ──OPTIONS, every health_check_s──► target ──anything but 408, 503──► alive
//!      │                                         └── silence, 408, 503, no connection ──► dead: see `health`
//!      └──► what is dead, for the other shards
//! ```

use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_locate::Hop;
use offhook_net::Outbox;
use offhook_sip::{Message, Name};
use offhook_transaction::{ClientId, ClientVerdict};

use crate::beyond::{Errand, Leg, number};
use crate::servers::hop_of;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// The shard that asks.
const SHARD: u8 = 0;

/// What one shard has found dead, for the others.
#[derive(Clone, Debug, Default)]
pub struct DeadTargets(Arc<ArcSwap<Vec<Hop>>>);

/// When the targets of each trunk are asked next, ms.
#[derive(Default, Debug)]
pub(crate) struct Checks {
    due_ms: Vec<u64>,
    /// What the shard that asks has told last.
    told: Arc<Vec<Hop>>,
}

impl Switchboard {
    /// Asks the targets whose turn it is, or learns what the shard that asks has found.
    pub(crate) fn check_targets(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        if !settings.routing.has_checks() {
            return;
        }
        if self.shard != SHARD {
            return self.learn_dead(settings, now_ms);
        }
        let trunks = settings.routing.trunks();
        self.checks.due_ms.resize(trunks.len(), now_ms);
        for (index, trunk) in trunks.iter().enumerate().filter(|(_, trunk)| trunk.health_check_s > 0) {
            let Some(due_ms) = self.checks.due_ms.get_mut(index).filter(|due_ms| **due_ms <= now_ms) else {
                continue;
            };
            *due_ms = now_ms + u64::from(trunk.health_check_s) * 1000;
            let leg = Leg { trunk: number(index), errand: Errand::Check, ..Leg::default() };
            for hop in trunk.targets.iter().flat_map(|target| self.hops_of(target)).collect::<Vec<_>>() {
                // Those that are dead are asked anyway, and more often.
                if !self.health.is_dead(hop) {
                    self.probe(settings, now_ms, hop, leg, out);
                }
            }
        }
        self.tell_dead(settings, now_ms);
    }

    /// The answer to such a question. RFC 3261 §21.5.4: who is busy says when he may be asked again.
    pub(crate) fn checked(&mut self, now_ms: u64, (id, errand): (ClientId, Errand), message: &Message<'_>) {
        let status = message.status().unwrap_or(500);
        let is_new = self.transactions.response(now_ms, id, status) == ClientVerdict::Pass;
        let retry_after_s = || message.seconds(Name::RetryAfter).ok().flatten().filter(|_| status == 503);
        match (errand, status) {
            (Errand::Check, 408) if is_new => self.check_failed(now_ms, id, "408", None),
            (Errand::Check, 503) if is_new => self.check_failed(now_ms, id, "503", retry_after_s()),
            (_, 503) if is_new => self.is_still_busy(now_ms, id, retry_after_s()),
            _ => {}
        }
        self.transactions.stop_user_timer(id);
    }

    /// Nobody answered, or nothing could be sent.
    pub(crate) fn check_failed(
        &mut self,
        now_ms: u64,
        id: ClientId,
        why: &'static str,
        retry_after_s: Option<u32>,
    ) {
        let Some(record) = self.transactions.client(id) else { return };
        let hop = hop_of(&record.user.flow);
        self.take_for_dead(now_ms, hop, retry_after_s, why);
    }

    fn is_still_busy(&mut self, now_ms: u64, id: ClientId, retry_after_s: Option<u32>) {
        let Some(record) = self.transactions.client(id) else { return };
        if let Some(retry_after_s) = retry_after_s {
            self.health.wait(now_ms, hop_of(&record.user.flow), retry_after_s);
        }
    }

    fn tell_dead(&mut self, settings: &Settings, now_ms: u64) {
        let trunks = settings.routing.trunks().iter().filter(|trunk| trunk.health_check_s > 0);
        let dead: Vec<Hop> = trunks
            .flat_map(|trunk| &trunk.targets)
            .flat_map(|target| self.hops_of(target))
            .filter(|hop| self.health.is_dead(*hop))
            .collect();
        // Who is asked all the time is dead until he answers.
        dead.iter().for_each(|hop| self.health.keep(now_ms, *hop));
        if **settings.dead_targets.0.load() != dead {
            settings.dead_targets.0.store(Arc::new(dead));
        }
    }

    fn learn_dead(&mut self, settings: &Settings, now_ms: u64) {
        let dead = settings.dead_targets.0.load_full();
        if Arc::ptr_eq(&dead, &self.checks.told) {
            return dead.iter().for_each(|hop| self.health.keep(now_ms, *hop));
        }
        let before = std::mem::replace(&mut self.checks.told, dead);
        for hop in self.checks.told.iter() {
            self.health.note_told(now_ms, *hop);
        }
        for hop in before.iter().filter(|hop| !self.checks.told.contains(hop)) {
            self.health.note_alive(*hop);
        }
    }
}
