//! `offhook ping`: is that server alive?

mod inquiry;
mod prober;
mod screen;
mod target;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::thread;

use anyhow::Context;
use offhook_net::{ConnectionId, Flow, Limits, Loop, Stopper};
use offhook_transaction::Timing;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::PingArguments;
use crate::exit::NoAnswer;
use inquiry::Inquiry;
use prober::Prober;
use screen::Screen;
pub use target::Target;

/// Sends OPTIONS and waits for answers. One answer is success.
pub fn run(arguments: &PingArguments) -> anyhow::Result<()> {
    let target = &arguments.target;
    let (remote, own) = way(target)?;
    let listeners = offhook_net::resolve(&[(target.transport, (own, 0).into(), None)])?;
    let local = listeners.first().context("no address was bound")?.local;
    let sockets = offhook_net::bind(&listeners, 1)?.into_iter().next().context("no socket was opened")?;

    writeln!(io::stdout(), "OPTIONS {} to {} {remote} from {local}", target.uri, target.transport.name())?;
    let timeout_ms = u64::from(arguments.timeout) * 1_000;
    let stopper = Stopper::new().context("cannot make an event descriptor")?;
    let screen = Screen::new(io::stdout(), stopper.clone(), arguments.timeout);
    let inquiry = Inquiry {
        uri: target.uri.clone(),
        flow: Flow { transport: target.transport, listener: 0, connection: ConnectionId::NONE, remote },
        local,
        count: arguments.count,
        timeout_ms,
        entropy: entropy()?,
    };
    let prober = Prober::new(inquiry, Timing::default(), screen);
    let limits = Limits { connect_timeout_ms: timeout_ms, ..Limits::default() };
    let mut asking = Loop::new(sockets, prober, limits)?;
    stop_at_signals(stopper.clone())?;
    asking.run(&stopper)?;

    if asking.into_engine().into_witness().finish()? {
        return Ok(());
    }
    let way = format!("{} {remote}", target.transport.name());
    Err(NoAnswer(format!("{way} does not answer; is a SIP server there, and no firewall between?")).into())
}

/// The first address of the target that a route leads to, and our own address on that route.
fn way(target: &Target) -> Result<(SocketAddr, IpAddr), NoAnswer> {
    let mut refused = NoAnswer(format!("{} leads to no address", target.uri));
    for remote in target.addresses()? {
        match offhook_net::local_ip_toward(remote) {
            Ok(own) => return Ok((remote, own)),
            Err(error) => refused = NoAnswer(format!("no way to {remote}: {error}")),
        }
    }
    Err(refused)
}

fn entropy() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no entropy: {error}"))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Who interrupts a long run still wants the sum.
fn stop_at_signals(stopper: Stopper) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let wait = move || {
        if signals.forever().next().is_some() {
            stopper.stop();
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).context("cannot start a thread")?;
    Ok(())
}
