//! What must be true when the evening is over.

use offhook_node::Held;
use offhook_simnet::NodeId;

use crate::callee;
use crate::caller::{Client, State, What};
use crate::exchange::CALL_MAX_MS;
use crate::ledger;
use crate::oracle::{self, Draw};
use crate::phone::{Dialog, Phone};
use crate::records;
use crate::scene::{Place, SLOW_MS_MAX, Scene};
use crate::sniffer::{Sniffer, Step};
use crate::wire::Message;

/// A CANCEL that is lost again and again gets through within this time, or never: Timer F and a few delays.
const CANCEL_TAKES_MS: u64 = 33_000;

/// The first one explains the others, as a rule.
const VIOLATIONS_SHOWN_MAX: usize = 3;

/// Every rule that was broken, in words; and what was chosen among equals.
pub(crate) fn broken(scene: &Scene) -> (Vec<String>, Vec<Draw>) {
    let mut broken = Vec::new();
    for node in scene.people() {
        let phone: &Phone = scene.world.endpoint(node);
        // A new process does not know what the old one has refused: that ACK goes on (§16.11).
        // A phone that came back gets the answers that were for it before.
        let is_excused = |text: &&String| {
            scene.killed && text.contains("an ACK of no call of mine")
                || scene.forgotten && text.contains("again: an answer to nothing that was asked")
        };
        broken.extend(phone.complaints.iter().filter(|text| !is_excused(text)).cloned());
        clients(scene, phone, &mut broken);
        servers(scene, phone, &mut broken);
        dialogs(scene, node, phone, &mut broken);
    }
    let draws = exchanges(scene, &mut broken);
    registrations(scene, &mut broken);
    if scene.world.travelling() > 0 && !scene.has_trunks() {
        broken.push(format!("{} messages are still on their way", scene.world.travelling()));
    }
    (broken, draws)
}

/// Every request of a phone ends; an INVITE in one refusal or in answers, not in both: RFC 3261 §16.7 step 5.
fn clients(scene: &Scene, phone: &Phone, broken: &mut Vec<String>) {
    for client in &phone.clients {
        let waits = matches!(client.state, State::Calling | State::Proceeding);
        if waits && !(scene.disturbed && client.what == What::Invite) {
            broken.push(format!("{} waits for ever: {}", phone.line.name, text(client)));
        }
        let refusals = client.finals.iter().filter(|(status, _)| *status >= 300).count();
        let answers = client.finals.len() - refusals;
        let too_many = refusals > 1 || (refusals == 1 && answers > 0);
        let too_many = too_many || (client.what != What::Invite && client.finals.len() > 1);
        let too_many = too_many && !found_late(client);
        // A late copy of a REGISTER that the next one has overtaken fails: RFC 3261 §10.3 step 7.
        let is_overtaken = client.what == What::Register && client.finals.iter().any(|(s, _)| *s == 400);
        if too_many && !scene.disturbed && !is_challenge(client) && !is_overtaken {
            let (name, finals) = (&phone.line.name, &client.finals);
            broken.push(format!(
                "{name} was answered {finals:?}: {}{}",
                text(client),
                said(scene, &client.request)
            ));
        }
        let status = client.finals.first().map_or(0, |(status, _)| *status);
        // Where nothing is lost, everything that must be answered is.
        let lost = status == 0 && !scene.perfect;
        let right = match client.what {
            _ if lost => true,
            What::Bye => status == 200 || (status == 481 && was_left(scene, phone, client)),
            // Repeated when the INVITE is long over, a CANCEL matches nothing any more.
            What::Cancel => matches!(status, 200 | 481),
            // Overtaken by the next one of the same phone, it fails: RFC 3261 §10.3 step 7.
            What::Register => matches!(status, 200 | 400 | 401),
            // Who has hung up meanwhile does not know the call any more, or has not learnt of it yet.
            _ if matches!(client.request.method(), "INFO" | "UPDATE" | "PRACK") => {
                matches!(status, 200 | 481)
            }
            _ => true,
        };
        if !right && !scene.disturbed {
            let (name, said) = (&phone.line.name, said(scene, &client.request));
            broken.push(format!("{name}: {status} to {}{said}", text(client)));
        }
    }
}

/// A server that was left for another one, or a phone that was told to stop because others waited for their turn, took the call
/// when its caller had been refused already: RFC 3263 §4.3, RFC 3261 §9.1. Nobody tells him of that call any more (RFC 3261
/// §17.2.1), and it ends for want of an ACK.
fn was_left(scene: &Scene, phone: &Phone, bye: &Client) -> bool {
    let (call_id, tag) = (bye.request.value("Call-ID"), bye.request.tag("From"));
    let knows = |node| {
        let phone: &Phone = scene.world.endpoint(node);
        phone
            .dialogs
            .iter()
            .any(|dialog| dialog.is_caller && dialog.call_id == call_id && dialog.remote_tag == tag)
    };
    let its = |server: &&callee::Server| server.request.value("Call-ID") == call_id;
    let is_cancelled = phone.servers.iter().filter(its).any(|server| server.is_cancelled);
    (scene.far.is_some() || scene.has_trunks() || is_cancelled) && !scene.people().any(knows)
}

/// A refusal for want of anybody to reach leaves no state behind either: a copy of the request that was on its way meanwhile,
/// or its repetition, may find somebody. If it has credentials they have been used by then (RFC 7616 §5.4), and it is
/// challenged: who has the refusal is done, and who has lost it tries again. Who acknowledges the refusal while the copy
/// rings has left: that ringing ends in a 487, in a 408 where the phone says nothing, or as the phone says in the same moment.
/// His transaction absorbs it (§17.1.1.2).
fn found_late(client: &Client) -> bool {
    let refusals = || client.finals.iter().filter(|(status, _)| *status >= 300);
    let is_of_ours = |wanted: u16| refusals().any(|(status, tag)| *status == wanted && tag.starts_with("oh"));
    let is_answered = client.finals.iter().any(|(status, _)| *status < 300);
    let nobody_was_there = is_of_ours(480);
    match refusals().count() {
        1 => nobody_was_there,
        _ => nobody_was_there && !is_answered && (!is_of_ours(407) || has_credentials(client)),
    }
}

fn has_credentials(client: &Client) -> bool {
    !client.request.value("Proxy-Authorization").is_empty()
}

/// Challenges leave no state behind: a repeated request gets a fresh one, and that is no second answer.
fn is_challenge(client: &Client) -> bool {
    client.finals.iter().all(|(status, _)| matches!(status, 401 | 407))
}

/// Every phone stops ringing, soon after the caller has his answer, and every refusal is acknowledged:
/// RFC 3261 §16.7 step 10, §16.8, §17.1.1.3.
fn servers(scene: &Scene, phone: &Phone, broken: &mut Vec<String>) {
    let invites = phone.servers.iter().filter(|server| server.request.method() == "INVITE");
    for server in invites.filter(|_| !scene.disturbed) {
        let rings_for_ever = server.state == callee::State::Open;
        let answered_ms = answered_ms(scene, server.request.value("Call-ID"));
        let stops_ms = server.final_ms.unwrap_or(0);
        let is_first = server.request.tag("To").is_empty();
        let rings_on = is_first
            && answered_ms.is_some_and(|answered_ms| stops_ms > answered_ms + CANCEL_TAKES_MS + SLOW_MS_MAX);
        for (is_so, what) in [
            (rings_for_ever, "rings for ever"),
            (rings_on, "rings on though the caller has his answer"),
            (
                server.never_acknowledged
                    && !lost_without_state(scene, server)
                    && !came_too_late(scene, server),
                "has never seen an ACK to its refusal",
            ),
        ] {
            if is_so {
                let request = String::from_utf8_lossy(&server.request.write()).into_owned();
                broken.push(format!(
                    "{} {what}:\n{request}{}",
                    phone.line.name,
                    said(scene, &server.request)
                ));
            }
        }
    }
}

/// Between a stream and datagrams, a proxy without state: a refusal that is lost on the one side is repeated by nobody on the
/// other.
fn lost_without_state(scene: &Scene, server: &callee::Server) -> bool {
    let is_stream = !server.request.value("Via").starts_with("SIP/2.0/UDP");
    is_stream && server.request.branch().starts_with("z9hG4bKos") && !scene.perfect
}

/// The first word came when the exchange had given its copy up (RFC 3261 §17.1.1.2, Timer B).
fn came_too_late(scene: &Scene, server: &callee::Server) -> bool {
    let branch = server.request.branch();
    scene.exchanges.iter().any(|place| oracle::is_given_up(&place.log.borrow(), branch))
}

/// When the caller of this call first heard a final answer that is no challenge.
fn answered_ms(scene: &Scene, call_id: &str) -> Option<u64> {
    let phones = scene.people().map(|node| scene.world.endpoint::<Phone>(node));
    let mut clients = phones.flat_map(|phone| &phone.clients);
    let its =
        |c: &&Client| c.what == What::Invite && c.request.value("Call-ID") == call_id && !is_challenge(c);
    clients.find(its)?.final_ms
}

/// Caller and callee agree that there is a call, and that it is over.
fn dialogs(scene: &Scene, node: NodeId, phone: &Phone, broken: &mut Vec<String>) {
    for dialog in &phone.dialogs {
        let other = other_side(scene, dialog);
        let must_have_one = dialog.is_caller || dialog.acknowledged;
        let name = scene.world.name(node);
        let Some((other_phone, other)) = other else {
            if must_have_one && !scene.forgotten {
                broken.push(format!("{name} is in a call with nobody: {dialog:?}"));
            }
            continue;
        };
        let bye = dialog.bye.map(|client| &phone.clients[client]);
        let said_goodbye =
            bye.is_some_and(|bye| bye.finals.first().is_some_and(|(status, _)| *status == 200));
        if said_goodbye && !other.other_hung_up {
            broken.push(format!("{name} hung up, and {} does not know: {dialog:?}", other_phone.line.name));
        }
        let over = dialog.bye.is_some() || dialog.other_hung_up;
        let excused = other.bye.is_some_and(|client| other_phone.clients[client].state == State::TimedOut);
        if !over && !excused && !scene.disturbed {
            broken.push(format!("{name} still talks: {dialog:?}"));
        }
    }
}

fn other_side<'s>(scene: &'s Scene, dialog: &Dialog) -> Option<(&'s Phone, &'s Dialog)> {
    scene.people().find_map(|node| {
        let phone: &Phone = scene.world.endpoint(node);
        let mirrors = |d: &&Dialog| {
            d.call_id == dialog.call_id
                && d.local_tag == dialog.remote_tag
                && d.remote_tag == dialog.local_tag
                && d.is_caller != dialog.is_caller
        };
        Some((phone, phone.dialogs.iter().find(mirrors)?))
    })
}

/// Each message was right when it was sent, and nothing is left of what passed through.
fn exchanges(scene: &Scene, broken: &mut Vec<String>) -> Vec<Draw> {
    let mut all_draws = Vec::new();
    for Place { node, plan, shards, facts, log, .. } in &scene.exchanges {
        if !scene.torn {
            let wrong = ledger::wrong(&scene.world, *node, plan);
            broken.extend(wrong.into_iter().map(|text| format!("{text}\n{}", said_of(&text, &log.borrow()))));
        }
        let records = plan.records(scene.world.now_ms() + 2 * CALL_MAX_MS);
        let steps = log.borrow();
        let wrong = records::wrong(facts, &steps, &records).into_iter();
        broken.extend(wrong.map(|text| format!("{text}\n{}", said_of(&text, &steps))));
        let name = scene.world.name(*node);
        for number in 0..*shards {
            let exchange = scene.world.shard::<Sniffer>(*node, number).exchange();
            let held = exchange.held();
            // What a trunk leads to is asked for ever whether it lives: what is kept for that the oracle counts.
            let is_kept = match scene.has_trunks() {
                true => held.servers > 0,
                false => !exchange.is_empty() || held != Held::default(),
            };
            if is_kept {
                broken.push(format!("{name} keeps something in shard {number}: {held:?}"));
            }
        }
        // A killed shard takes its count along, and its successor begins with none.
        // A registration at a provider counts until it is given back.
        let registered = u64::from(scene.provider.as_ref().is_some_and(|provider| provider.registers));
        if plan.drain.at_work() > registered {
            broken.push(format!("{name} counts {} requests at work", plan.drain.at_work()));
        }
        let (violations, draws) = oracle::judge(facts, &log.borrow());
        all_draws.extend(draws);
        let total = violations.len();
        let first = violations.into_iter().take(VIOLATIONS_SHOWN_MAX);
        broken.extend(first.map(|violation| format!("{name} (1 of {total}) {violation}")));
    }
    all_draws
}

/// RFC 3261 §10.2: the exchange is registered at a machine of its provider, if any of them takes registrations.
fn registrations(scene: &Scene, broken: &mut Vec<String>) {
    let Some(provider) = scene.provider.as_ref().filter(|provider| provider.registers) else { return };
    let machines = provider.nodes.iter().map(|&node| scene.world.endpoint::<Phone>(node));
    let asks = machines.filter_map(|phone| phone.line.serves.as_ref()?.asks.as_ref());
    let asks: Vec<_> = asks.filter(|asks| asks.uses_max > 0).collect();
    let is_in = asks.iter().any(|asks| asks.registered_until_ms > scene.world.now_ms());
    if !is_in && !asks.is_empty() {
        let logs: String =
            scene.exchanges.iter().map(|place| oracle::registrations(&place.log.borrow())).collect();
        broken.push(format!("the exchange is not registered at its provider:\n{logs}"));
    }
}

/// What was said at a door in the call that a record is of.
fn said_of(record: &str, steps: &[Step]) -> String {
    let call_id = record.split("call_id: \"").nth(1).and_then(|rest| rest.split('"').next());
    call_id.map_or_else(String::new, |call_id| oracle::said(steps, call_id))
}

/// What was said at the doors of the exchanges by this request's Call-ID.
fn said(scene: &Scene, request: &Message) -> String {
    let call_id = request.value("Call-ID");
    let of_place = |place: &Place| {
        let name = scene.world.name(place.node);
        format!("at {name}:\n{}", oracle::said(&place.log.borrow(), call_id))
    };
    scene.exchanges.iter().map(of_place).collect()
}

fn text(client: &Client) -> String {
    format!("{:?}\n{}", client.state, String::from_utf8_lossy(&client.request.write()))
}
