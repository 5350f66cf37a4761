//! `offhook bindings`: who is registered where; reads the files, so it works beside a running server and without one.

use std::io::{self, BufWriter, Write};

use offhook_location::{Binding, Location};
use offhook_net::Clock;
use serde_json::json;

use crate::account::expect_data;
use crate::check;
use crate::cli::{BindingsArguments, Common};
use crate::table::{self, Column};
use crate::visible::{json_line, visible};

const COLUMNS: [Column; 5] = [
    Column { title: "USER", width_min: 20 },
    Column { title: "CONTACT", width_min: 30 },
    Column { title: "EXPIRES", width_min: 8 },
    Column { title: "FROM", width_min: 21 },
    Column { title: "PHONE", width_min: 12 },
];

/// Lists the bindings, by address-of-record and contact.
pub fn run(common: &Common, arguments: &BindingsArguments) -> anyhow::Result<()> {
    let config = check::load(common)?;
    expect_data(&config)?;
    let now_ms = Clock::start().now_ms();
    let location = Location::open_read_only(&config.data_dir, now_ms)?;
    let wanted = arguments.filter.as_deref().unwrap_or_default();
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        for line in sorted(&location, now_ms, wanted, |aor, binding| object(aor, binding, now_ms)) {
            writeln!(out, "{line}")?;
        }
    } else {
        let rows = sorted(&location, now_ms, wanted, |aor, binding| row(aor, binding, now_ms));
        match (rows.is_empty(), wanted) {
            (false, _) => table::write(&mut out, &COLUMNS, &rows)?,
            (true, "") => writeln!(out, "Nobody is registered.")?,
            (true, _) => writeln!(out, "Nobody with \"{wanted}\" in the name is registered.")?,
        }
    }
    Ok(out.flush()?)
}

/// What is shown of each wanted binding, those of one user beside each other.
fn sorted<T>(
    location: &Location,
    now_ms: u64,
    wanted: &str,
    show: impl Fn(&str, &Binding<'_>) -> T,
) -> Vec<T> {
    let mut found = Vec::new();
    let wanted = wanted.to_lowercase();
    location.dump(now_ms, |aor, binding| {
        let aor = visible(aor);
        if aor.to_lowercase().contains(&wanted) {
            let shown = show(&aor, &binding);
            found.push(((aor, binding.contact.to_vec()), shown));
        }
    });
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.into_iter().map(|(_, shown)| shown).collect()
}

fn row(aor: &str, binding: &Binding<'_>, now_ms: u64) -> [String; 5] {
    [
        aor.to_owned(),
        visible(binding.contact),
        format!("{} s", left_s(binding, now_ms)),
        format!("{} {}", binding.flow.transport.name(), binding.flow.remote),
        visible(binding.user_agent),
    ]
}

fn object(aor: &str, binding: &Binding<'_>, now_ms: u64) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes);
    json_line(&json!({
        "aor": aor,
        "contact": text(binding.contact),
        "q": f64::from(binding.q_milli) / 1000.0,
        "expires_s": left_s(binding, now_ms),
        "transport": binding.flow.transport.name(),
        "source": binding.flow.remote.to_string(),
        "behind_nat": binding.flow.nat,
        "path": text(binding.path),
        "instance": text(binding.instance),
        "reg_id": (binding.reg_id > 0).then_some(binding.reg_id),
        "gruu": gruu(aor, binding),
        "capabilities": text(binding.params),
        "user_agent": text(binding.user_agent),
    }))
}

/// The public GRUU, if the phone has said which device it is.
fn gruu(aor: &str, binding: &Binding<'_>) -> Option<String> {
    let mut gruu = Vec::new();
    if !binding.instance.is_empty() {
        offhook_registrar::gruu::write_public(aor.as_bytes(), binding, &mut gruu);
    }
    (!gruu.is_empty()).then(|| String::from_utf8_lossy(&gruu).into_owned())
}

fn left_s(binding: &Binding<'_>, now_ms: u64) -> u64 {
    binding.expires_at_ms.saturating_sub(now_ms) / 1000
}
