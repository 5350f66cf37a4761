//! What the world tells of itself: trace, ladder, capture, and the last words of a failing test.

use std::path::{Path, PathBuf};

use crate::trace::{Entry, Fate};
use crate::{NodeId, World, draw, pcap};

/// Lines of ladder that a failing test prints by itself.
const LAST_WORDS_LINES: usize = 60;

impl World {
    /// The seed it was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The name of a node.
    pub fn name(&self, node: NodeId) -> &str {
        &self.nodes[node.index()].name
    }

    /// All that travelled, in the order of sending.
    pub fn trace(&self) -> &[Entry] {
        &self.trace.entries
    }

    /// Indices into [`World::trace`], in the order of arrival.
    pub fn arrivals(&self) -> &[usize] {
        &self.trace.arrivals
    }

    /// The messages that arrived at a node, in this order.
    pub fn received(&self, node: NodeId) -> Vec<&[u8]> {
        let arrived = self.trace.arrivals.iter().map(|&index| &self.trace.entries[index]);
        arrived.filter(|entry| entry.to == Some(node)).filter_map(Entry::message).collect()
    }

    /// A number that two runs share exactly if everything happened alike.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// Everything that travelled, as a picture.
    pub fn ladder(&self) -> String {
        self.ladder_from(0)
    }

    /// The picture of what travelled from this entry of the trace on.
    pub fn ladder_from(&self, first: usize) -> String {
        let names: Vec<&str> = self.nodes.iter().map(|slot| slot.name.as_str()).collect();
        draw::ladder(&self.trace.entries[first..], &names)
    }

    /// The trace as a capture file (pcap, raw IP).
    pub fn pcap(&self) -> Vec<u8> {
        pcap::capture(&self.trace.entries)
    }

    /// How many messages are on their way, or held.
    pub fn travelling(&self) -> usize {
        self.trace.entries.iter().filter(|e| e.fate == Fate::Travelling && e.message().is_some()).count()
    }

    fn capture_path(&self, wanted: &Path) -> PathBuf {
        if !wanted.is_dir() {
            return wanted.to_owned();
        }
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("world").replace("::", ".");
        wanted.join(format!("{test}-{}.pcap", self.seed))
    }
}

/// A test that fails while its world lives shows the seed and what happened; every world leaves its capture.
impl Drop for World {
    #[expect(clippy::print_stderr, reason = "the last words of a failing test")]
    fn drop(&mut self) {
        if let Some(wanted) = std::env::var_os("OFFHOOK_PCAP") {
            let path = self.capture_path(Path::new(&wanted));
            if let Err(error) = std::fs::write(&path, self.pcap()) {
                eprintln!("no capture at {}: {error}", path.display());
            }
        }
        if std::thread::panicking() {
            let first = self.trace.entries.len().saturating_sub(LAST_WORDS_LINES);
            let (seed, elapsed_ms) = (self.seed, self.elapsed_ms());
            eprintln!("simulated world: seed {seed}, at {elapsed_ms} ms\n{}", self.ladder_from(first));
        }
    }
}
