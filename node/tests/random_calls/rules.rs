//! What must be true when the evening is over.

use offhook_simnet::NodeId;

use crate::callee;
use crate::caller::{Client, State, What};
use crate::exchange::Exchange;
use crate::phone::{Dialog, Phone};
use crate::scene::Scene;

/// Every rule that was broken, in words.
pub(crate) fn broken(scene: &Scene) -> Vec<String> {
    let mut broken = Vec::new();
    for &node in &scene.phones {
        let phone: &Phone = scene.world.endpoint(node);
        broken.extend(phone.complaints.iter().cloned());
        clients(scene, phone, &mut broken);
        servers(scene, phone, &mut broken);
        dialogs(scene, node, phone, &mut broken);
    }
    exchanges(scene, &mut broken);
    if scene.world.travelling() > 0 {
        broken.push(format!("{} messages are still on their way", scene.world.travelling()));
    }
    broken
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
        if too_many && !scene.disturbed && !is_challenge(client) {
            broken.push(format!("{} was answered {:?}: {}", phone.line.name, client.finals, text(client)));
        }
        let status = client.finals.first().map_or(0, |(status, _)| *status);
        let right = match client.what {
            What::Bye => matches!(status, 0 | 200),
            // Repeated when the INVITE is long over, a CANCEL matches nothing any more.
            What::Cancel => matches!(status, 0 | 200 | 481),
            _ => client.request.method() != "INFO" || matches!(status, 0 | 200),
        };
        if !right && !scene.disturbed {
            broken.push(format!("{}: {status} to {}", phone.line.name, text(client)));
        }
    }
}

/// Challenges leave no state behind: a repeated request gets a fresh one, and that is no second answer.
fn is_challenge(client: &Client) -> bool {
    client.finals.iter().all(|(status, _)| matches!(status, 401 | 407))
}

/// Every phone stops ringing: RFC 3261 §16.7 step 10, §16.8.
fn servers(scene: &Scene, phone: &Phone, broken: &mut Vec<String>) {
    for server in &phone.servers {
        let rings = server.state == callee::State::Open && server.request.method() == "INVITE";
        if rings && !scene.disturbed {
            let request = String::from_utf8_lossy(&server.request.write()).into_owned();
            broken.push(format!("{} rings for ever:\n{request}", phone.line.name));
        }
    }
}

/// Caller and callee agree that there is a call, and that it is over.
fn dialogs(scene: &Scene, node: NodeId, phone: &Phone, broken: &mut Vec<String>) {
    for dialog in &phone.dialogs {
        let other = other_side(scene, dialog);
        let must_have_one = dialog.is_caller || dialog.acknowledged;
        let name = scene.world.name(node);
        let Some((other_phone, other)) = other else {
            if must_have_one {
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
    scene.phones.iter().find_map(|&node| {
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

/// Nothing is left of what passed through.
fn exchanges(scene: &Scene, broken: &mut Vec<String>) {
    for (node, plan, shards) in &scene.exchanges {
        let name = scene.world.name(*node);
        for number in 0..*shards {
            let exchange: &Exchange = scene.world.shard(*node, number);
            if !exchange.is_empty() {
                broken.push(format!("{name} keeps something in shard {number}"));
            }
        }
        // A killed shard takes its count along, and its successor begins with none.
        if plan.drain.at_work() != 0 {
            broken.push(format!("{name} counts {} requests at work", plan.drain.at_work()));
        }
    }
}

fn text(client: &Client) -> String {
    format!("{:?}\n{}", client.state, String::from_utf8_lossy(&client.request.write()))
}
