//! Where a shard puts its facts: segments that are only appended to, once for each batch.
//!
//! ```text
//!   note, note, note ──► pending ── commit: one append ──► spool-SHARD.RUN.NUMBER.log ──► assembler
//! ```
//! What was committed survives `kill -9`. The shard commits before the messages of its batch leave, so nobody has been
//! told of what the spool does not hold. That it rings may wait for the next fact, a second at most, for no record hangs on
//! it. Calls never wait for it and never fail for it: where the disk takes nothing,
//! facts wait in a bounded buffer, and those that find no room there are counted and told.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use offhook_frames::{FRAME_HEADER_BYTES, begin_frame, end_frame};

use crate::fact::Fact;
use crate::folder::Segments;
use crate::segments::{self, LENGTH_BYTES};

/// Facts that wait for a disk that takes nothing: some hundreds of calls. Beyond it they are lost.
pub(crate) const PENDING_BYTES_MAX: usize = 256 * 1024;

/// A frame that has this takes no more facts. One with all its texts has some 12,000 bytes, and a frame takes 65,535.
const FRAME_BYTES: usize = 32 * 1024;

/// How long a fact that may wait does so at least, for one that may not and is written with it. A shard looks every second.
const WAIT_MS: u64 = 100;

/// How long a disk that refused is left alone.
const RETRY_AFTER_MS: u64 = 1_000;

/// Facts kept in memory, for tests that look at them.
#[derive(Clone, Default, Debug)]
pub struct MemorySpool(Arc<Mutex<Vec<Noted>>>);

/// Run, shard and payload.
type Noted = (u32, u8, Vec<u8>);

impl MemorySpool {
    /// The spool of this shard in this run.
    pub fn spool(&self, run: u32, shard: u8) -> Spool {
        Spool::new(Medium::Memory(run, shard, self.clone()))
    }

    /// What was committed: run, shard and payload, in the order of the commits.
    pub fn facts(&self) -> Vec<(u32, u8, Vec<u8>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Facts could not be written. Calls go on.
#[derive(Debug)]
pub struct SpoolTrouble {
    /// So many were lost since this was last told; the others wait.
    pub lost: u64,
    /// What the system said.
    pub error: io::Error,
}

/// The spool of one shard.
#[derive(Debug)]
pub struct Spool {
    medium: Medium,
    /// In frames that are not sealed, the last of which has no end yet.
    pending: Vec<u8>,
    /// Where that begins.
    frame: usize,
    /// Lost, and not in the spool yet.
    lost: u64,
    /// Lost, and not told yet.
    untold: u64,
    retry_at_ms: u64,
    /// When what is pending is to be written.
    due_ms: u64,
    /// How far the clock of the records is ahead of the shard's.
    ahead_ms: i64,
}

#[derive(Debug)]
pub(crate) enum Medium {
    Off,
    Memory(u32, u8, MemorySpool),
    Files(Segments),
}

impl Spool {
    /// A spool that takes nothing: records are switched off.
    pub fn off() -> Self {
        Self::new(Medium::Off)
    }

    pub(crate) fn new(medium: Medium) -> Self {
        Self {
            medium,
            pending: Vec::new(),
            frame: 0,
            lost: 0,
            untold: 0,
            retry_at_ms: 0,
            due_ms: u64::MAX,
            ahead_ms: 0,
        }
    }

    /// Whether facts are wanted.
    pub fn is_on(&self) -> bool {
        !matches!(self.medium, Medium::Off)
    }

    /// So far is the machine's clock, which records go by, ahead of the shard's, which nobody sets.
    pub fn note_clock(&mut self, ahead_ms: i64) {
        self.ahead_ms = ahead_ms;
    }

    /// Takes a fact of the batch.
    pub fn note(&mut self, at_ms: u64, fact: &Fact<'_>) {
        if self.pending.len() >= PENDING_BYTES_MAX {
            self.lost += 1;
            self.untold += 1;
        } else if self.is_on() {
            self.put(at_ms.saturating_add_signed(self.ahead_ms), fact);
            let waits = fact.may_wait() && matches!(self.medium, Medium::Files(_));
            self.due_ms = self.due_ms.min(if waits { at_ms + WAIT_MS } else { at_ms });
        }
    }

    fn put(&mut self, at_ms: u64, fact: &Fact<'_>) {
        let is_full = self.pending.len() - self.frame >= FRAME_BYTES;
        if is_full {
            end_frame(&mut self.pending, self.frame);
        }
        if is_full || self.pending.is_empty() {
            self.frame = begin_frame(&mut self.pending);
        }
        let start = self.pending.len();
        self.pending.extend_from_slice(&[0; LENGTH_BYTES]);
        fact.write(at_ms, &mut self.pending);
        // With all its texts it is far shorter than a frame.
        let length = (self.pending.len() - start - LENGTH_BYTES) as u16;
        self.pending[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    }

    /// Writes the facts of the batch, unless all of them may wait for others. They are kept where that fails, as long as
    /// there is room.
    pub fn commit(&mut self, now_ms: u64) -> Option<SpoolTrouble> {
        if self.pending.is_empty() || now_ms < self.due_ms || now_ms < self.retry_at_ms {
            return None;
        }
        self.write(now_ms)
    }

    fn write(&mut self, now_ms: u64) -> Option<SpoolTrouble> {
        end_frame(&mut self.pending, self.frame);
        let written = match &mut self.medium {
            Medium::Off => Ok(()),
            Medium::Memory(run, shard, memory) => {
                memory.append(*run, *shard, &self.pending);
                Ok(())
            }
            Medium::Files(files) => files.append(&mut self.pending),
        };
        if let Err(error) = written {
            self.retry_at_ms = now_ms + RETRY_AFTER_MS;
            return Some(SpoolTrouble { lost: std::mem::take(&mut self.untold), error });
        }
        self.pending.clear();
        self.frame = 0;
        self.due_ms = u64::MAX;
        if self.lost > 0 {
            let facts = std::mem::take(&mut self.lost);
            self.note(now_ms, &Fact::Lost { facts });
        }
        None
    }
}

/// Its server stops: what might have waited is written, and then how many found no room.
impl Drop for Spool {
    fn drop(&mut self) {
        for _ in 0..2 {
            if !self.pending.is_empty() && self.write(0).is_some() {
                return; // told before
            }
        }
    }
}

impl MemorySpool {
    fn append(&self, run: u32, shard: u8, mut frames: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((head, rest)) = frames.split_at_checked(FRAME_HEADER_BYTES) {
            let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let (payload, rest) = rest.split_at(length);
            segments::each_fact(payload, |fact| kept.push((run, shard, fact.to_vec())));
            frames = rest;
        }
    }
}
