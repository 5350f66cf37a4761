//! `offhook resolve`: which questions a name asks, what the name servers say, and where requests would go.

use std::io::{self, Write};

use offhook_locate::{Answer, Naptr, Record, Srv, Wanted};
use offhook_names::{Exchange, explain};
use offhook_node::Settings;
use offhook_sip::Uri;

use crate::cli::{Common, ResolveArguments};
use crate::exit::NoAnswer;
use crate::{check, names};

/// Looks for the servers of a URI as the server would, and shows it.
pub fn run(common: &Common, arguments: &ResolveArguments) -> anyhow::Result<()> {
    let config = check::load(common)?;
    let text =
        if arguments.uri.contains(':') { arguments.uri.clone() } else { format!("sip:{}", arguments.uri) };
    let wanted = Uri::parse(text.as_bytes()).ok().and_then(|uri| Wanted::of_uri(&uri));
    let Some(wanted) = wanted else {
        anyhow::bail!("{text} is no sip or sips URI with a name to look for, such as sip:example.org");
    };
    let listeners = offhook_net::resolve(&crate::serve::asked(&config))?;
    let settings = Settings::new(&config, &listeners, 1);
    let options = names::options(&config, settings.abilities())?;
    let mut out = io::stdout().lock();
    let finding = explain(&options, wanted, |exchange| drop(show(&mut out, exchange)))?;
    match finding.found {
        Ok(located) => {
            writeln!(out, "requests go to, in this order:")?;
            for (index, hop) in located.order(0).iter().enumerate() {
                let inside = settings.reach.take(hop.address.ip()).is_none();
                let remark = if inside {
                    "   (a private address: only from a route, see [dns] private_addresses)"
                } else {
                    ""
                };
                writeln!(out, "  {}. {} {}{remark}", index + 1, hop.transport.name(), hop.address)?;
            }
            writeln!(
                out,
                "This holds for {} s. Servers of equal priority take turns by weight.",
                finding.ttl_s
            )?;
            Ok(())
        }
        Err(why) => Err(NoAnswer(format!("{}: {why}", finding.wanted)).into()),
    }
}

fn show(out: &mut impl Write, (question, said): &Exchange) -> io::Result<()> {
    match said {
        Ok(Answer::Records { records, ttl_s }) => {
            writeln!(out, "{question}   ({ttl_s} s)")?;
            records.iter().try_for_each(|record| writeln!(out, "    {}", shown(record)))
        }
        Ok(Answer::Nothing { .. }) => writeln!(out, "{question}\n    nothing"),
        Ok(Answer::Failed) => writeln!(out, "{question}\n    failed"),
        Err(error) => writeln!(out, "{question}\n    failed: {error}"),
    }
}

fn shown(record: &Record) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match record {
        Record::Address(ip) => ip.to_string(),
        Record::Srv(Srv { priority, weight, port, target }) => {
            format!("{priority} {weight} {port} {}", text(target))
        }
        Record::Naptr(Naptr { order, preference, flags, services, regexp, replacement }) => {
            let words = [flags, services, regexp].map(|word| text(word));
            format!("{order} {preference} \"{}\" {}", words.join("\" \""), text(replacement))
        }
    }
}
