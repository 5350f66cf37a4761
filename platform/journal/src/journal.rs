//! The journal of one shard.

use std::sync::Arc;

use crate::counters::Counters;
use crate::event::{Event, EventKind};
use crate::level::Level;
use crate::line::Format;
use crate::rate::Rates;
use crate::sink::{BATCH_BYTES_MAX, Sink};

/// Takes the events of one thread. Not shared: each shard has its own.
///
/// Call [`Journal::flush`] after each batch of work and at least once a second; what is left when the journal is
/// dropped is written then.
#[derive(Debug)]
pub struct Journal {
    counters: Arc<Counters>,
    /// The least grave level that is logged; `None`: nothing is.
    threshold: Option<Level>,
    format: Format,
    rates: Rates,
    /// Lines that the sink has not been given.
    batch: String,
    sink: Sink,
    /// Lines that the sink did not take and that were not told yet.
    lost: u64,
    /// The latest time we were told, for the lines that are written when the journal is dropped.
    last_ms: u64,
}

impl Journal {
    /// A journal that logs events of this level and graver ones.
    pub fn new(threshold: Level, format: Format, sink: Sink) -> Self {
        Self {
            counters: Arc::new(Counters::new()),
            threshold: (!matches!(sink, Sink::None)).then_some(threshold),
            format,
            rates: Rates::new(),
            batch: String::new(),
            sink,
            lost: 0,
            last_ms: 0,
        }
    }

    /// A journal that only counts.
    pub fn silent() -> Self {
        Self::new(Level::Error, Format::Text, Sink::None)
    }

    /// Counts an event that is not worth a line.
    #[inline]
    pub fn count(&mut self, kind: EventKind) {
        self.counters.add(kind);
    }

    /// Counts an event and logs it if it is grave enough. `now_ms` is milliseconds of the Unix epoch.
    #[inline]
    pub fn note(&mut self, now_ms: u64, event: &Event<'_>) {
        let kind = event.kind();
        self.counters.add(kind);
        if self.logs(kind) {
            self.log(now_ms, event);
        }
    }

    /// Hands the lines since the last flush to the sink, and tells what was left out in a second that has passed.
    pub fn flush(&mut self, now_ms: u64) {
        self.last_ms = now_ms;
        self.tell_left_out(now_ms);
        if !self.batch.is_empty() || self.lost > 0 {
            self.hand_over();
        }
    }

    /// Whether events of this kind are logged: asked where the fields of an event cost something to gather.
    #[inline]
    pub fn logs(&self, kind: EventKind) -> bool {
        self.threshold.is_some_and(|threshold| kind.level() <= threshold)
    }

    /// The counters, which other threads may read as long as they like.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    #[cold]
    fn log(&mut self, now_ms: u64, event: &Event<'_>) {
        self.last_ms = now_ms;
        self.tell_left_out(now_ms);
        if self.rates.admit(event.kind(), now_ms) {
            self.write(event);
        }
    }

    /// Writes how many lines were left out in seconds before this time, whatever the threshold: those lines were to
    /// be logged.
    fn tell_left_out(&mut self, before_ms: u64) {
        while let Some((kind, lines)) = self.rates.left_out_before(before_ms) {
            self.counters.add(EventKind::LogSuppressed);
            self.write(&Event::LogSuppressed { of: kind.name(), lines });
        }
    }

    fn write(&mut self, event: &Event<'_>) {
        let at_ms = self.last_ms.saturating_add_signed(self.sink.ahead_ms());
        self.format.write(&mut self.batch, at_ms, event);
        if self.batch.len() >= BATCH_BYTES_MAX || self.sink.takes_each_line() {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        let lines = batch.matches('\n').count() as u64;
        if self.lost > 0 {
            let mut told = String::new();
            let at_ms = self.last_ms.saturating_add_signed(self.sink.ahead_ms());
            self.format.write(&mut told, at_ms, &Event::LogLost { lines: self.lost });
            batch.insert_str(0, &told);
        }
        if !self.sink.take(batch) {
            self.lost += lines;
        } else if self.lost > 0 {
            self.counters.add(EventKind::LogLost);
            self.lost = 0;
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.tell_left_out(u64::MAX);
        self.flush(self.last_ms);
    }
}
