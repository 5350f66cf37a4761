//! What calls cost that are not over: memory, and nothing that is done each second. Alone in its file: the allocator is the
//! whole process's.

mod facts;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use offhook_cdr::{Answered, Assembler, Begun, Fact, InDialog, Options, Policy, SpoolFolder};
use offhook_store::Store;
use tempfile::TempDir;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Relaxed);
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as promised to us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CALLS: usize = 20_000;

/// Memory of an answered call with texts of usual length, tables included, bytes: what docs/cdr.md says.
const OPEN_BYTES_MAX: usize = 1_000;

/// The log of open calls per call, where all that is in it is in use, bytes. 303 when this was written.
const LOG_BYTES_MAX: u64 = 400;

const START_MS: u64 = 1_795_248_903_123;

#[test]
fn what_open_calls_take() {
    let dir = TempDir::new().unwrap();
    let (mut assembler, folder) = open(dir.path());
    let mut spool = folder.spool(0);
    let mut now_ms = START_MS;
    assembler.turn(now_ms).unwrap();
    let empty = LIVE_BYTES.load(Relaxed);
    for number in 0..CALLS {
        begins(&mut spool, now_ms, number);
        assert!(spool.commit(now_ms).is_none());
        if number % 1_000 == 999 {
            now_ms += 1_000;
            assembler.turn(now_ms).unwrap();
        }
    }
    let each = (LIVE_BYTES.load(Relaxed) - empty) / CALLS;
    assert!(each <= OPEN_BYTES_MAX, "an open call takes {each} bytes");
    assert!(bytes(dir.path(), "open-") <= CALLS as u64 * LOG_BYTES_MAX);
    assert!(bytes(dir.path(), "spool-") <= 4 << 20, "segments of calls that are not over are not kept");

    // A quiet hour: nothing is written, and nothing is forgotten by a kill in it.
    let before = everything(dir.path());
    for _ in 0..3_600 {
        now_ms += 1_000;
        assembler.turn(now_ms).unwrap();
    }
    assert_eq!(everything(dir.path()), before);
    drop((assembler, spool));
    let (mut assembler, folder) = open(dir.path());
    assembler.turn(now_ms).unwrap();
    assert_eq!(assembler.open_calls(), CALLS);

    let mut spool = folder.spool(0);
    let mut records = 0;
    for number in 0..CALLS {
        let call_id = format!("{number:08}@192.0.2.1");
        let dialog = InDialog { call_id: call_id.as_bytes(), from_tag: b"a", to_tag: b"b" };
        spool.note(now_ms, &Fact::Ended { dialog, status: 200, unheard: false });
        assert!(spool.commit(now_ms).is_none());
        if number % 1_000 == 999 {
            now_ms += 1_000;
            records += assembler.turn(now_ms).unwrap().records;
        }
    }
    assert_eq!((assembler.open_calls(), records), (0, CALLS));
    assert!(bytes(dir.path(), "open-") <= 5 << 20, "what is over leaves the log");
}

fn open(dir: &Path) -> (Assembler, SpoolFolder) {
    let folder = SpoolFolder::open(&dir.join("cdr"), 1 << 30, 1).unwrap();
    let policy = Policy { call_max_ms: 86_400_000, calls_max: 2 * CALLS };
    let options = Options { policy, files: None, keep_days: 30 };
    (Assembler::open(Store::open(dir).unwrap(), folder.clone(), options).unwrap(), folder)
}

/// As long as they usually are.
const AGENT: &[u8] = b"Desk Phone 7 (3.1.4)";

fn begins(spool: &mut offhook_cdr::Spool, now_ms: u64, number: usize) {
    let (call_id, leg) = (format!("{number:08}@192.0.2.1"), number as u64 + 1);
    let begun = Begun {
        from: b"sip:alice@example.org",
        user: b"alice",
        domain: b"bench.test",
        contact: b"<sip:alice@192.0.2.1:5060>",
        agent: AGENT,
        ..facts::begun(&call_id, leg)
    };
    let answered = Answered { contact: b"<sip:bob@192.0.2.2:5060>", agent: AGENT, ..facts::answered(leg) };
    spool.note(now_ms, &Fact::Begun(begun));
    spool.note(now_ms, &Fact::Rang { leg });
    spool.note(now_ms, &Fact::Answered(answered));
}

/// Of all files whose names begin so.
fn bytes(dir: &Path, prefix: &str) -> u64 {
    everything(dir).iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, length)| length).sum()
}

/// The files beside the store, and their lengths.
fn everything(dir: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(dir.join("cdr")).unwrap().map(|entry| entry.unwrap());
    let of = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())
    };
    let mut files: Vec<_> = entries.map(of).collect();
    files.sort();
    files
}
