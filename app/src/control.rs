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

use crate::ban::keep::object;
use crate::trunks::clerk::Trunks;

/// What the answers are taken from.
pub struct Sources {
    /// Who is banned.
    pub guard: Guard,
    /// How the trunks stand.
    pub trunks: Trunks,
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
    let mut desk = desk(sources, journal(), clock);
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
fn desk(sources: Sources, mut journal: Journal, clock: Clock) -> Desk {
    let mut desk = Desk::default();
    let guard = sources.guard.clone();
    desk.on("ban.list", move |_| Ok(guard.bans(clock.now_ms()).iter().map(object).collect()));
    let Sources { guard, trunks } = sources;
    desk.on("trunk.list", move |_| Ok(trunks.list()));
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
