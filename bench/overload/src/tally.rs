//! What became of the calls, by the tenth of a second.

/// How long one line of the result covers, ms.
pub(crate) const SLICE_MS: u64 = 100;

/// What happened in one slice.
#[derive(Clone, Copy, Default)]
struct Slice {
    offered: u64,
    completed: u64,
    refused: u64,
    /// Of the calls that began in this slice: how many were answered, and after how long at most, ms.
    answered: u64,
    slowest_ms: u64,
}

/// The result of a run.
#[derive(Default)]
pub(crate) struct Tally {
    slices: Vec<Slice>,
}

impl Tally {
    fn at(&mut self, since_ms: u64) -> &mut Slice {
        let index = (since_ms / SLICE_MS) as usize;
        if self.slices.len() <= index {
            self.slices.resize(index + 1, Slice::default());
        }
        &mut self.slices[index]
    }

    /// A call begins.
    pub(crate) fn offered(&mut self, since_ms: u64) {
        self.at(since_ms).offered += 1;
    }

    /// A call was answered by its callee.
    pub(crate) fn answered(&mut self, began_ms: u64, since_ms: u64) {
        let slice = self.at(began_ms);
        slice.answered += 1;
        slice.slowest_ms = slice.slowest_ms.max(since_ms - began_ms);
    }

    /// A call was answered and ended as it should.
    pub(crate) fn completed(&mut self, since_ms: u64) {
        self.at(since_ms).completed += 1;
    }

    /// A call was refused, or held back because the server had asked for it.
    pub(crate) fn refused(&mut self, since_ms: u64) {
        self.at(since_ms).refused += 1;
    }

    /// One line for each slice.
    pub(crate) fn print(&self) {
        for Slice { offered, completed, refused, answered, slowest_ms } in &self.slices {
            println!("{offered} {completed} {refused} {answered} {slowest_ms}");
        }
    }
}
