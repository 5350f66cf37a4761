//! What a turn is going to store. A call becomes a record and a line as soon as it is over, while all that is known of it is
//! in the processor's cache, and its memory goes to the next call.

use crate::archive::Archive;
use crate::call::Call;
use crate::files::{Files, Page};
use crate::record::Entry;
use crate::table::{Commit, FilePosition};

/// Records until now, and their lines.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) commit: Commit,
    lines: Lines,
}

/// Where the lines of a turn are.
#[derive(Default)]
enum Lines {
    /// There are none yet.
    #[default]
    None,
    Page(Page),
    /// Records before these are not in the files, or these could not be written: they follow later.
    Later,
}

impl Draft {
    /// The next turn's, in the memory of one that is stored; its first record gets this id.
    pub(crate) fn new(memory: Commit, next_id: u64) -> Self {
        Self { commit: Commit { next_id, ..memory.again() }, lines: Lines::None }
    }

    /// Adds the records of calls that are over.
    pub(crate) fn put(
        &mut self,
        over: &[Box<Call>],
        now_ms: u64,
        files: Option<&mut Files>,
        archive: &mut Archive,
    ) {
        if over.is_empty() {
            return;
        }
        let first = self.commit.next_id;
        let mut page = match (std::mem::take(&mut self.lines), files) {
            (Lines::Page(page), Some(files)) => Some((page, files)),
            (Lines::None, Some(files)) if files.last() + 1 == first => {
                files.begin(now_ms).ok().map(|page| (page, files))
            }
            _ => None,
        };
        for call in over {
            let Some(entry) = Entry::of(self.commit.next_id, call) else { continue };
            self.commit.push(&entry);
            page = page
                .and_then(|(mut page, files)| files.put(&mut page, &entry).is_ok().then_some((page, files)));
        }
        self.lines = page.map_or(Lines::Later, |(page, _)| Lines::Page(page));
        archive.pour(now_ms, &self.commit.records);
    }

    /// What is to be stored, and where the files are with it; none: they follow later.
    pub(crate) fn end(self, files: Option<&mut Files>) -> (Commit, Option<FilePosition>) {
        let (Lines::Page(page), Some(files)) = (self.lines, files) else { return (self.commit, None) };
        (self.commit, files.end(page).ok())
    }
}
