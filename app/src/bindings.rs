//! `offhook bindings`: who is registered where; reads the files, so it works beside a running server and without one.

use std::time::{SystemTime, UNIX_EPOCH};

use offhook_location::{Binding, Location};

use crate::check;
use crate::cli::{BindingsArguments, Common};

/// Lists the bindings.
pub fn run(common: &Common, arguments: &BindingsArguments) -> anyhow::Result<()> {
    let config = check::load(common)?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    let location = Location::open_read_only(&config.data_dir, now_ms)?;
    let mut rows = Vec::new();
    location.dump(now_ms, |aor, binding| {
        let aor = String::from_utf8_lossy(aor).into_owned();
        if arguments.filter.as_ref().is_none_or(|text| aor.contains(text)) {
            let row =
                if arguments.json { json(&aor, &binding, now_ms) } else { text(&aor, &binding, now_ms) };
            rows.push(row);
        }
    });
    rows.sort();
    rows.iter().for_each(|row| println!("{row}"));
    if rows.is_empty() && !arguments.json {
        println!("Nobody is registered.");
    }
    Ok(())
}

fn text(aor: &str, binding: &Binding<'_>, now_ms: u64) -> String {
    let left_s = binding.expires_at_ms.saturating_sub(now_ms) / 1000;
    let from = format!("{} {}", binding.flow.transport.name(), binding.flow.remote);
    format!(
        "{aor:<28} {:<48} {left_s:>6} s  from {from}  {}",
        lossy(binding.contact),
        lossy(binding.user_agent)
    )
}

fn json(aor: &str, binding: &Binding<'_>, now_ms: u64) -> String {
    serde_json::json!({
        "aor": aor,
        "contact": lossy(binding.contact),
        "q": f32::from(binding.q_milli) / 1000.0,
        "expires_s": binding.expires_at_ms.saturating_sub(now_ms) / 1000,
        "transport": binding.flow.transport.name(),
        "source": binding.flow.remote.to_string(),
        "behind_nat": binding.flow.nat,
        "path": lossy(binding.path),
        "instance": lossy(binding.instance),
        "user_agent": lossy(binding.user_agent),
    })
    .to_string()
}

/// Control characters of a stranger's header must not reach a terminal.
fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
