//! Facts of calls as a damaged spool could hold them: no panic; what is read is written again as it was; calls are bounded, and
//! when time has passed each is over and has one record. A fact begins with its length, two bytes.

#![cfg_attr(not(test), no_main)]

use offhook_cdr::{Fact, Joiner, Policy};
use offhook_fuzz::fuzz_target;

const POLICY: Policy = Policy { call_max_ms: 3_600_000, calls_max: 8 };

/// More repeat what was there.
const FACTS_MAX: usize = 200;

fuzz_target!(|input: &[u8]| {
    let mut joiner = Joiner::new(POLICY);
    let mut rest = input;
    let (mut begun, mut records) = (0, 0);
    for number in 0..FACTS_MAX {
        let Some((length, behind)) = rest.split_first_chunk() else { break };
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (payload, behind) = behind.split_at(length);
        rest = behind;
        let read = Fact::read(payload);
        if let Some((at_ms, fact)) = &read {
            let mut again = Vec::new();
            fact.write(*at_ms, &mut again);
            assert_eq!(Fact::read(&again).as_ref(), Some(&(*at_ms, *fact)));
            begun += usize::from(matches!(fact, Fact::Begun(_)));
        }
        let shard = (number % 2) as u16;
        assert_eq!(joiner.take(1, shard, payload), read.is_some(), "{}", payload.escape_ascii());
        assert!(joiner.open_calls() <= POLICY.calls_max);
        if number % 16 == 15 {
            joiner.run_began(2, number as u64);
            joiner.pass_time(number as u64);
        }
        records += joiner.take_records().len();
    }
    joiner.pass_time(u64::MAX);
    records += joiner.take_records().len();
    assert_eq!(joiner.open_calls(), 0, "a call that never ends");
    assert!(records <= begun, "more records than calls began");
});
