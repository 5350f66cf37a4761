//! The running server's end of the control socket: the thread that answers commands, and what it can be asked.
//!
//! To let commands ask something more, give its clerk to [`desk`]: a closure over something that the shards share (a
//! table of atomics, a snapshot, a channel) and that never waits.

use std::io;
use std::path::Path;
use std::thread::{self, JoinHandle};

use offhook_abuse::{Guard, Source};
use offhook_control::{Desk, Fault, Question};
use offhook_journal::{Event, Journal};
use offhook_net::{Clock, ControlSocket, Stopper};
use offhook_node::{Settings, note_ban};

use crate::account::forget;
use crate::ban::keep::object;
use crate::cdr::keep::TrunkCalls;
use crate::status::clerk::{self as status, Status};
use crate::trunks::clerk::Trunks;

/// The longest ban by hand, seconds: a year.
const BY_HAND_MAX_S: u64 = 31_536_000;

/// What the answers are taken from.
pub struct Sources {
    /// Who is banned.
    pub guard: Guard,
    /// Who may be, and how the trunks stand.
    pub settings: Settings,
    /// How many calls are open by each trunk, where that is counted.
    pub calls: Option<TrunkCalls>,
    /// What the shards count.
    pub status: Status,
    /// Who sees to it that removed accounts leave nothing behind.
    pub forgetting: forget::Clerk,
}

/// Starts to answer. A server whose socket cannot be made serves all the same, and says so.
pub fn start(
    data_dir: &Path,
    sources: Sources,
    stop: &Stopper,
    journal: impl Fn() -> Journal,
    clock: Clock,
) -> Option<JoinHandle<()>> {
    let mut own = journal();
    let socket = match ControlSocket::open(data_dir) {
        Ok(socket) => socket,
        Err(error) => {
            note_failed(&mut own, clock, &error);
            return None;
        }
    };
    let mut desk = desk(sources, &journal, clock);
    let stop = stop.clone();
    let answer = move || {
        if let Err(error) = socket.serve(&stop, |line, out| desk.answer(line, out)) {
            note_failed(&mut own, clock, &error);
        }
    };
    thread::Builder::new().name("control".into()).spawn(answer).ok()
}

/// Tells the journal which bans are over.
pub fn note_ended(guard: &Guard, journal: &mut Journal, now_ms: u64) {
    for ban in guard.take_ended(now_ms) {
        journal.note(now_ms, &Event::BanEnded { source: &ban.source.to_string(), dropped: ban.dropped });
    }
}

fn note_failed(journal: &mut Journal, clock: Clock, error: &io::Error) {
    journal.note(clock.now_ms(), &Event::ControlFailed { error: &error.to_string() });
    journal.flush(clock.now_ms());
}

/// Everything that can be asked.
fn desk(sources: Sources, journal: impl Fn() -> Journal, clock: Clock) -> Desk {
    let mut desk = Desk::default();
    let guard = sources.guard.clone();
    desk.on("ban.list", move |_| Ok(guard.bans(clock.now_ms()).iter().map(object).collect()));
    let Sources { guard, settings, calls, status, mut forgetting } = sources;
    desk.on(status::QUESTION, move |_| Ok(status.list(clock)));
    let mut note = journal();
    desk.on(forget::QUESTION, move |question| forgetting.answer(question, clock.now_ms(), &mut note));
    let trunks = Trunks::new(&settings, calls);
    desk.on("trunk.list", move |_| Ok(trunks.list()));
    let (banning, mut note) = (guard.clone(), journal());
    desk.on("ban.add", move |question| {
        let (source, lasts_s) = (source(question)?, question.number("for_s")?);
        if !settings.counts(source.first_address()) {
            let why = match settings.abuse.enabled {
                true => "it is exempt, or an address of a trunk",
                false => "abuse.enabled is false, so nobody is",
            };
            let why = format!("{source} is never banned: {why}");
            return Err(Fault::Argument { argument: "source", why });
        }
        let lasts_s = lasts_s.clamp(1, BY_HAND_MAX_S) as u32;
        let ban = banning.ban_by_hand(clock.now_ms(), source, lasts_s);
        let ban = ban.ok_or_else(|| Fault::Absent("there is no room now; try again".to_owned()))?;
        note_ban(&mut note, clock.now_ms(), &ban);
        note.flush(clock.now_ms());
        Ok(vec![object(&ban)])
    });
    let mut journal = journal();
    desk.on("ban.lift", move |question| {
        let source = source(question)?;
        let ban = guard.lift(clock.now_ms(), source);
        let ban = ban.ok_or_else(|| Fault::Absent(format!("{source} is not banned")))?;
        let event = Event::BanLifted { source: &ban.source.to_string(), dropped: ban.dropped };
        journal.note(clock.now_ms(), &event);
        journal.flush(clock.now_ms());
        Ok(vec![object(&ban)])
    });
    desk
}

fn source(question: &Question) -> Result<Source, Fault> {
    let text = question.text("source")?;
    text.parse().map_err(|error| Fault::Argument { argument: "source", why: format!("{error}") })
}
