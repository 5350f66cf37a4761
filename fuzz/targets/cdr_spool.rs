//! What the call records of an earlier life of the server left on a disk that may be damaged: spools, and the log of open
//! calls. No panic, no error for what makes no sense; what can be read is read once, what cannot is counted, and each record
//! can be listed. Open calls are few: one that is said to begin in a far year stays until then, and until others need its place.
//!
//! The first byte says which file, the second how it is cut or spoilt; then come payloads, each with its length before it,
//! two bytes.

#![cfg_attr(not(test), no_main)]

use std::path::Path;

use offhook_cdr::{Assembler, Filter, Options, Policy, SpoolFolder, list};
use offhook_frames::{Header, Kind, PAYLOAD_BYTES_MAX, put_frame, seal};
use offhook_fuzz::fuzz_target;
use offhook_store::Store;

const SPOOL: Kind = Kind { magic: *b"offhookC", format: 3 };
const OPEN_CALLS: Kind = Kind { magic: *b"offhookO", format: 3 };
const SALT: u32 = 77;

/// Run 1, the first segment.
const GENERATION: u64 = 1 << 32 | 1;

const POLICY: Policy = Policy { call_max_ms: 3_600_000, calls_max: 8 };

const NOW_MS: u64 = 1_795_248_903_123;

/// Longer than any call.
const LATER_MS: u64 = 30 * 86_400_000;

fuzz_target!(|input: &[u8]| {
    let [which, way, payloads @ ..] = input else { return };
    let mut file = frames(payloads);
    match way {
        0..=127 => {}
        128..=191 => file.truncate(file.len().saturating_sub(usize::from(way - 127))),
        192..=255 => {
            let at = usize::from(way - 192) * 3;
            file.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x10);
        }
    }
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let spools = folder.path().join("cdr");
    std::fs::create_dir(&spools).expect("a folder");
    let (name, kind, generation) = match which % 2 {
        0 => ("spool-0.1.1.log", SPOOL, GENERATION),
        _ => ("open-1.log", OPEN_CALLS, 1),
    };
    let header = Header { salt: SALT, generation }.to_bytes(kind);
    std::fs::write(spools.join(name), [&header[..], &file, &[0; 64]].concat()).expect("room for a file");
    assembled(folder.path(), &spools, file.len());
});

fn frames(mut payloads: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let Some((length, behind)) = payloads.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len()).min(PAYLOAD_BYTES_MAX);
        let (payload, behind) = behind.split_at(length);
        payloads = behind;
        put_frame(&mut frames, |out| out.extend_from_slice(payload));
    }
    seal(&mut frames, SALT);
    frames
}

fn assembled(folder: &Path, spools: &Path, bytes: usize) {
    let spool = SpoolFolder::open(spools, 1 << 30, 1).expect("a folder");
    let options = Options { policy: POLICY, files: None, keep_days: 36_500 };
    let store = Store::open(folder).expect("a store");
    let mut assembler = Assembler::open(store, spool, options).expect("damage is no reason to stop");
    let mut records = 0;
    for now_ms in [NOW_MS, NOW_MS + LATER_MS, NOW_MS + 2 * LATER_MS] {
        let turn = assembler.turn(now_ms).expect("damage is no reason to stop");
        assert!(turn.damaged_bytes <= bytes as u64 + 64, "{turn:?}");
        records += turn.records;
        assert!(assembler.open_calls() <= POLICY.calls_max);
    }
    drop(assembler);
    let filter = Filter { limit: usize::MAX, ..Filter::default() };
    let found = list(&Store::open(folder).expect("a store"), spools, &filter).expect("what was written");
    assert_eq!((found.records.len(), found.unreadable), (records, 0));
}
