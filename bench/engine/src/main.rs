//! One shard without sockets, fed with typical traffic.
//!
//! ```text
//!   offhook-bench options|register|register-auth|call|noted|message|stateless [COUNT]
//!   offhook-bench call-over-sockets [COUNT]
//!   offhook-bench record [COUNT]
//! ```
//! Prints nanoseconds and allocations per job. Under `valgrind --tool=callgrind` the same run gives exact instruction counts; a profiler
//! shows where they go. A job is what a phone would call one: a call is INVITE, 180, 200, ACK, BYE, 200.
//!
//! `call-over-sockets` prints nothing: its system calls are counted from outside. Nor does `record`, which makes call
//! detail records without a shard.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

mod caller;
mod counting;
mod exchange;
mod loopback;
mod records;

use std::time::Instant;

use caller::Caller;
use counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// Jobs before the measurement: pools and tables reach their size.
const WARM_UP: u32 = 2_000;

/// The one scenario with sockets.
const LOOPBACK: &str = "call-over-sockets";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let scenario = arguments.next().unwrap_or_else(|| "call".to_owned());
    let count: u32 = arguments.next().map_or(Ok(20_000), |n| n.parse())?;
    if scenario == LOOPBACK {
        return loopback::run(count);
    }
    if scenario == records::SCENARIO {
        return records::run(2 * count);
    }
    let mut caller = Caller::new(&scenario)?;
    (0..WARM_UP.min(count)).for_each(|_| caller.job());
    caller.allocations = 0;
    let started = Instant::now();
    (0..count).for_each(|_| caller.job());
    let each_ns = started.elapsed().as_nanos() / u128::from(count.max(1));
    let allocations = caller.allocations as f64 / f64::from(count.max(1));
    println!("{scenario}: {each_ns} ns and {allocations:.3} allocations per job");
    Ok(())
}
