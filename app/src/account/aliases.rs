//! `offhook account aliases`.

use std::io::{self, BufWriter, Write};

use offhook_accounts::Accounts;
use serde_json::json;

use crate::table::{self, Column};
use crate::visible::json_line;

const COLUMNS: [Column; 2] =
    [Column { title: "NAME", width_min: 20 }, Column { title: "ACCOUNT", width_min: 20 }];

/// Lists other names of accounts.
pub fn run(accounts: &Accounts, domain: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let aliases = accounts.aliases(domain)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let rows =
        aliases.iter().map(|a| [format!("{}@{}", a.alias, a.domain), format!("{}@{}", a.user, a.domain)]);
    let rows: Vec<[String; 2]> = rows.collect();
    if as_json {
        for [alias, aor] in &rows {
            writeln!(out, "{}", json_line(&json!({"alias": alias, "aor": aor})))?;
        }
    } else if rows.is_empty() {
        writeln!(out, "No account has another name.")?;
    } else {
        table::write(&mut out, &COLUMNS, &rows)?;
    }
    Ok(out.flush()?)
}
