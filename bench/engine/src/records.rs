//! Call detail records without a shard: what the thread beside the shards does to turn the facts of a call into its record,
//! in the store and in a file.

use std::path::Path;

use offhook_cdr::{
    Answered, Assembler, Begun, Fact, FileFormat, FileOptions, InDialog, Options, Policy, Spool, SpoolFolder,
};
use offhook_store::Store;

/// Its name.
pub(crate) const SCENARIO: &str = "record";

/// Calls between two looks of the assembler: a hundred calls a second, that looks once a second.
const CALLS_PER_TURN: u32 = 100;

/// How many turns a call lasts: it is kept as an open one meanwhile.
const TURNS_OPEN: u32 = 2;

const TURN_MS: u64 = 1_000;

/// Tags as long as phones make them.
const CALLER_TAG: &[u8] = b"8f2a61c09b";
const CALLEE_TAG: &[u8] = b"as5d0c41e7";

/// Calls whose facts are written together: what a shard receives in one batch.
const CALLS_PER_BATCH: u32 = 5;

/// Makes so many records, as many at least as one turn has.
pub(crate) fn run(calls: u32) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("offhook-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = run_in(&folder, calls);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn run_in(folder: &Path, calls: u32) -> anyhow::Result<()> {
    let spools = SpoolFolder::open(&folder.join("cdr"), 1 << 30, 1)?;
    let options = Options {
        policy: Policy { call_max_ms: 86_400_000, calls_max: 100_000 },
        files: Some(FileOptions { format: FileFormat::JsonLines, bytes_max: 100 << 20 }),
        keep_days: 365,
    };
    let mut assembler = Assembler::open(Store::open(folder)?, spools.clone(), options)?;
    let (mut spool, mut now_ms, mut records) = (spools.spool(0), 1_700_000_000_000, 0);
    let turns = calls.div_ceil(CALLS_PER_TURN);
    for turn in 0..turns + TURNS_OPEN {
        now_ms += TURN_MS;
        if turn < turns {
            in_batches(&mut spool, now_ms, turn, begins);
        }
        if let Some(turn) = turn.checked_sub(TURNS_OPEN) {
            in_batches(&mut spool, now_ms, turn, ends);
        }
        records += assembler.turn(now_ms)?.records;
    }
    anyhow::ensure!(records == (turns * CALLS_PER_TURN) as usize, "{records} records");
    Ok(())
}

/// What happens to the calls of a turn, written as a shard does.
fn in_batches(spool: &mut Spool, now_ms: u64, turn: u32, note: fn(&mut Spool, u64, u32)) {
    for call in turn * CALLS_PER_TURN..(turn + 1) * CALLS_PER_TURN {
        note(spool, now_ms, call);
        if call % CALLS_PER_BATCH == CALLS_PER_BATCH - 1 {
            spool.commit(now_ms);
        }
    }
}

fn begins(spool: &mut Spool, now_ms: u64, call: u32) {
    let (call_id, leg) = (format!("{call:08}-5f1c9d@192.0.2.1"), u64::from(call) + 1);
    let begun = Begun {
        leg,
        refused: 0,
        in_path: true,
        cseq: 1,
        transport: b"udp",
        source: ([192, 0, 2, 1], 5060).into(),
        call_id: call_id.as_bytes(),
        from_tag: CALLER_TAG,
        from: b"sip:alice@bench.test",
        to: b"sip:bob@bench.test",
        request_uri: b"sip:bob@bench.test",
        user: b"alice",
        domain: b"bench.test",
        contact: b"<sip:alice@192.0.2.1:5060>",
        agent: b"Desk Phone 7 (3.1.4)",
        route: b"user",
        trunk: b"",
    };
    let answered = Answered {
        leg,
        status: 200,
        transport: b"udp",
        target: ([192, 0, 2, 2], 5060).into(),
        to_tag: CALLEE_TAG,
        contact: b"<sip:bob@192.0.2.2:5060>",
        agent: b"Desk Phone 7 (3.1.4)",
        session_expires: b"",
    };
    spool.note(now_ms, &Fact::Begun(begun));
    spool.note(now_ms, &Fact::Rang { leg });
    spool.note(now_ms, &Fact::Answered(answered));
}

fn ends(spool: &mut Spool, now_ms: u64, call: u32) {
    let call_id = format!("{call:08}-5f1c9d@192.0.2.1");
    let dialog = InDialog { call_id: call_id.as_bytes(), from_tag: CALLER_TAG, to_tag: CALLEE_TAG };
    spool.note(now_ms, &Fact::Ended { dialog, status: 200, unheard: false });
}
