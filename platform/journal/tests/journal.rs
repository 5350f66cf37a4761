//! What is counted, what is logged, and what a flood or a stuck reader does. Time is a number here.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use offhook_journal::{
    AuthFailure, BATCHES_MAX, Event, EventKind, Format, Journal, Level, LogThread, MemoryLines, Sink,
};

const SOURCE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 5060);
const PATIENCE: Duration = Duration::from_secs(20);

fn guess() -> Event<'static> {
    Event::AuthFailed { user: b"100", realm: b"example.org", source: SOURCE, why: AuthFailure::UnknownUser }
}

fn challenge() -> Event<'static> {
    Event::AuthChallenged { method: b"REGISTER", realm: b"example.org", source: SOURCE }
}

/// The names of the events in these lines.
fn names(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.split_whitespace().nth(2)).collect()
}

#[test]
fn only_events_grave_enough_are_logged_and_all_are_counted() {
    let memory = MemoryLines::new();
    let mut journal = Journal::new(Level::Warn, Format::Text, memory.sink());
    journal.note(1_000, &guess());
    journal.note(1_000, &challenge());
    journal.note(1_000, &challenge());
    journal.count(EventKind::CallRouted);

    assert_eq!(names(&memory.lines()), ["auth.failed"]);
    assert!(journal.logs(EventKind::AuthFailed) && !journal.logs(EventKind::ServerReady));
    let counters = journal.counters();
    assert_eq!(counters.of(EventKind::AuthChallenged), 2);
    assert_eq!(counters.by_name("call.routed"), Some(1));
    assert_eq!(counters.by_name("call.unheard"), None);
    let counted: Vec<(&str, u64)> =
        counters.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| (kind.name(), n)).collect();
    assert_eq!(counted, [("auth.challenged", 2), ("auth.failed", 1), ("call.routed", 1)]);
}

#[test]
fn a_silent_journal_counts() {
    let mut journal = Journal::silent();
    journal.note(1_000, &Event::PanicCaught { what: "a test", message: "on purpose" });
    assert!(!journal.logs(EventKind::PanicCaught));
    assert_eq!(journal.counters().of(EventKind::PanicCaught), 1);
}

#[test]
fn counters_outlive_their_journal() {
    let mut journal = Journal::silent();
    let counters = journal.counters();
    journal.note(1_000, &guess());
    drop(journal);
    assert_eq!(counters.of(EventKind::AuthFailed), 1);
}

#[test]
fn a_flood_is_cut_and_told_a_second_later() {
    let memory = MemoryLines::new();
    let mut journal = Journal::new(Level::Info, Format::Text, memory.sink());
    for n in 0..2_500 {
        journal.note(10_000 + n, &guess()); // one each millisecond
        journal.flush(10_000 + n);
    }
    let lines = memory.lines();
    let told: Vec<&String> = lines.iter().filter(|line| line.contains("log.suppressed")).collect();
    assert_eq!(lines.len(), 3 * 100 + 2);
    assert_eq!(
        told,
        [
            "1970-01-01T00:00:11.000Z warn  log.suppressed      lines left out: 900 of auth.failed",
            "1970-01-01T00:00:12.000Z warn  log.suppressed      lines left out: 900 of auth.failed",
        ]
    );
    assert_eq!(journal.counters().of(EventKind::AuthFailed), 2_500);
    assert_eq!(journal.counters().of(EventKind::LogSuppressed), 2);
}

#[test]
fn the_end_of_a_flood_is_told_without_another_event() {
    let memory = MemoryLines::new();
    let mut journal = Journal::new(Level::Error, Format::Text, memory.sink());
    (0..1_001).for_each(|_| journal.note(10_000, &Event::StoreFailed { what: "write", error: "disk full" }));
    journal.flush(10_999);
    assert_eq!(memory.lines().len(), 1_000);
    journal.flush(11_000);
    assert!(memory.lines()[1_000].ends_with("lines left out: 1 of store.failed"), "though it is no error");
}

#[test]
fn a_journal_that_ends_tells_what_it_left_out() {
    let memory = MemoryLines::new();
    let mut journal = Journal::new(Level::Info, Format::Text, memory.sink());
    (0..101).for_each(|_| journal.note(10_000, &guess()));
    drop(journal);
    assert_eq!(
        memory.lines()[100],
        "1970-01-01T00:00:10.000Z warn  log.suppressed      lines left out: 1 of auth.failed"
    );
}

/// A writer that tells each write and waits until it may go on.
struct Gate {
    told: SyncSender<String>,
    may_go_on: Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.told.send(String::from_utf8_lossy(bytes).into_owned());
        let _ = self.may_go_on.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gate() -> (LogThread, Receiver<String>, SyncSender<()>) {
    let (told, writes) = sync_channel(1_000);
    let (go_on, may_go_on) = sync_channel(1_000);
    (LogThread::start(Gate { told, may_go_on }).unwrap(), writes, go_on)
}

#[test]
fn a_batch_of_whole_lines_is_one_write() {
    let (thread, writes, go_on) = gate();
    let mut journal = Journal::new(Level::Info, Format::Text, thread.sink());
    (0..3).for_each(|_| journal.note(1_000, &guess()));
    journal.flush(1_000);
    drop(go_on);
    let write = writes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(write.matches("auth.failed").count(), 3);
    assert!(write.ends_with('\n'));

    journal.note(1_000, &guess());
    drop(journal);
    assert!(thread.finish(PATIENCE), "what was left is written when the journal is dropped");
    assert_eq!(writes.recv().map(|write| write.lines().count()), Ok(1));
}

/// Somebody sets the machine's clock, or it has slept: the lines follow, and nothing else has to.
#[test]
fn lines_have_the_time_of_the_machines_clock() {
    let (thread, writes, go_on) = gate();
    let mut journal = Journal::new(Level::Info, Format::Text, thread.sink());
    drop(go_on);
    for (ahead_ms, time) in [(0, "1970-01-01T00:00:01.000Z"), (86_400_000, "1970-01-02T00:00:01.000Z")] {
        thread.clock().note_ahead(ahead_ms);
        journal.note(1_000, &guess());
        journal.flush(1_000);
        let write = writes.recv_timeout(PATIENCE).unwrap();
        assert!(write.starts_with(time), "{write}");
    }
}

#[test]
fn a_stuck_reader_stops_nobody_and_is_told_what_it_missed() {
    let (thread, writes, go_on) = gate();
    let mut journal = Journal::new(Level::Info, Format::Text, thread.sink());
    let mut note = |n: usize| {
        journal.note(1_000 * n as u64, &guess());
        journal.flush(1_000 * n as u64);
    };
    note(1);
    writes.recv_timeout(PATIENCE).unwrap(); // the thread hangs in this write now
    (2..2 + BATCHES_MAX).for_each(&mut note);
    (0..7).for_each(|n| note(100 + n)); // no room for these
    drop(go_on);
    (0..BATCHES_MAX).for_each(|_| drop(writes.recv_timeout(PATIENCE).unwrap()));

    note(200);
    let write = writes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        write.lines().next(),
        Some(
            "1970-01-01T00:03:20.000Z warn  log.lost            lines lost: 7, the reader of this log does not keep up"
        )
    );
    assert_eq!(write.lines().count(), 2);
    assert_eq!(journal.counters().of(EventKind::LogLost), 1);
}

#[test]
fn a_stuck_reader_does_not_keep_the_program_from_ending() {
    let (thread, _writes, _go_on) = gate();
    let mut journal = Journal::new(Level::Info, Format::Text, thread.sink());
    journal.note(1_000, &guess());
    drop(journal);
    assert!(!thread.finish(Duration::from_millis(1)));
}

#[test]
fn times_beyond_the_calendar_are_no_reason_to_fail() {
    let memory = MemoryLines::new();
    let mut journal = Journal::new(Level::Info, Format::Text, memory.sink());
    journal.note(u64::MAX, &guess());
    assert!(memory.lines()[0].starts_with("9999-12-30T"));
    assert!(matches!(memory.sink(), Sink::Memory(_)));
}
