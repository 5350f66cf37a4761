//! The running server's side: what it answers to `trunk.list`.

use offhook_node::{
    AddressStanding, Liveness, RegistrationStanding, Settings, TargetStanding, TrunkStanding,
};
use serde_json::{Value, json};

use crate::cdr::keep::TrunkCalls;

/// Knows how the trunks stand.
pub struct Trunks {
    settings: Settings,
    calls: Option<TrunkCalls>,
}

impl Trunks {
    /// Those of a running server; `calls`: how many are open, where that is counted.
    pub fn new(settings: &Settings, calls: Option<TrunkCalls>) -> Self {
        Self { settings: settings.clone(), calls }
    }

    /// An object for each.
    pub fn list(&self) -> Vec<Value> {
        self.settings
            .standings
            .look(self.settings.routing.trunks())
            .iter()
            .map(|trunk| self.object(trunk))
            .collect()
    }

    fn object(&self, trunk: &TrunkStanding) -> Value {
        json!({
            "trunk": trunk.name,
            "calls_now": self.calls.as_ref().map(|calls| calls.of(&trunk.name)),
            "calls": trunk.calls,
            "targets": trunk.targets.iter().map(target).collect::<Vec<_>>(),
            "registration": trunk.registration.as_ref().map(registration),
        })
    }
}

fn target(target: &TargetStanding) -> Value {
    json!({
        "to": target.to,
        "priority": target.priority,
        "weight": target.weight,
        "addresses": target.addresses.iter().map(address).collect::<Vec<_>>(),
    })
}

fn address(address: &AddressStanding) -> Value {
    let why = match address.health {
        Liveness::Down { why, .. } => Some(why),
        _ => None,
    };
    json!({
        "transport": address.transport.name(),
        "address": address.address.to_string(),
        "health": address.health.name(),
        "since_s": address.health.since_ms().map(seconds),
        "why": why,
        "answer": address.answer.map(|(status, _)| status),
        "answer_s": address.answer.map(|(_, at_ms)| seconds(at_ms)),
        "calls": address.calls,
    })
}

fn registration(registration: &RegistrationStanding) -> Value {
    json!({
        "aor": registration.aor,
        "until_s": registration.until_ms.map(seconds),
        "target": registration.target.map(|target| target.to_string()),
        "next_s": registration.next_ms.map(seconds),
        "error": registration.failure.as_ref().map(|(why, _)| why),
        "error_s": registration.failure.as_ref().map(|(_, at_ms)| seconds(*at_ms)),
    })
}

fn seconds(ms: u64) -> u64 {
    ms / 1000
}
