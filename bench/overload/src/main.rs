//! Callers and callees that offer a server more than it can carry, and count what it carries. `run.py` beside this crate
//! runs it; see `README.md`.
//!
//! ```text
//!   offhook-overload SERVER SOURCES listen|deaf RATE:SECONDS…
//! ```
//! Calls begin at the given rates whatever becomes of those before (an open loop), in turn from so many source
//! addresses (127.0.0.1, 127.0.0.2, …) that repeat their requests as RFC 3261 §17.1 says. `listen`: callers that hold back
//! when asked (RFC 7339). When a rate ends, its callers that heard nothing yet give up. A line per 100 ms is printed:
//! offered, completed, refused, and the slowest set-up of calls begun then, in ms.

#![allow(clippy::print_stdout, reason = "its output is its purpose")]

mod callee;
mod caller;
mod generator;
mod tally;
mod wish;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use generator::{Generator, Load};
use offhook_net::{Limits, Loop, Stopper};
use offhook_sip::Transport;

/// Callers send from this port of each source address, callees answer at the next one of 127.0.0.1.
const PORT: u16 = 6_200;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, sources, manners, rates @ ..] = &arguments[..] else {
        anyhow::bail!("offhook-overload SERVER SOURCES listen|deaf RATE:SECONDS...");
    };
    let server: SocketAddr = server.parse()?;
    let sources: u8 = sources.parse()?;
    let rates = rates.iter().map(|text| rate(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let address = |n: u8, port: u16| SocketAddr::from(([127, 0, 0, n], port));
    let mut asked: Vec<_> = (1..=sources).map(|n| (Transport::Udp, address(n, PORT), None)).collect();
    asked.push((Transport::Udp, address(1, PORT + 1), None));
    let listeners = offhook_net::resolve(&asked)?;
    let sockets = offhook_net::bind(&listeners, 1)?.pop().context("one shard")?;
    let lasts_ms: u64 = rates.iter().map(|load| load.lasts_ms).sum();
    let generator = Generator::new(server, sources, manners == "listen", rates, sockets.clock().now_ms());
    let mut generator_loop = Loop::new(sockets, generator, Limits::default())?;
    let stopper = Stopper::new()?;
    let ender = stopper.clone();
    let end = thread::spawn(move || {
        thread::sleep(Duration::from_millis(lasts_ms + 500));
        ender.stop();
    });
    generator_loop.run(&stopper)?;
    end.join().map_err(|_| anyhow::anyhow!("the timer has panicked"))?;
    generator_loop.engine_mut().tally().print();
    Ok(())
}

fn rate(text: &str) -> anyhow::Result<Load> {
    let (per_s, seconds) = text.split_once(':').context("RATE:SECONDS")?;
    Ok(Load { per_s: per_s.parse()?, lasts_ms: (seconds.parse::<f64>()? * 1000.0) as u64 })
}
