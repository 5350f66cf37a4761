//! `offhook account list`.

use std::io::{self, BufWriter, Write};

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use offhook_accounts::{Account, Accounts, Filter};
use offhook_digest::Algorithm;
use serde_json::json;

use crate::visible::json_line;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512Trunc256];

/// Lists accounts, page by page: there may be a million.
pub fn run(accounts: &Accounts, domain: Option<&str>, user: Option<&str>, json: bool) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut last: Option<Account> = None;
    loop {
        let filter = Filter { domain, user_contains: user, after: last.as_ref(), limit: 0 };
        let page = accounts.list(filter).context("cannot list the accounts")?;
        if last.is_none() && !json {
            let title = if page.is_empty() { NONE } else { TITLE };
            writeln!(out, "{title}")?;
        }
        for account in &page {
            writeln!(out, "{}", if json { object(account) } else { row(account) })?;
        }
        match page.last() {
            Some(account) => last = Some(account.clone()),
            None => return Ok(out.flush()?),
        }
    }
}

const NONE: &str = "There are no such accounts. Add one: offhook account add carol";

/// The account stands last, for it may be long.
const TITLE: &str = "CREATED     DIGESTS                  ACCOUNT";

fn row(account: &Account) -> String {
    let digests = digests(account).join(" ");
    format!("{:<10}  {digests:<23}  {}@{}", date(account.created_s), account.user, account.domain)
}

fn object(account: &Account) -> String {
    let aor = format!("{}@{}", account.user, account.domain);
    json_line(&json!({"aor": aor, "created_s": account.created_s, "digests": digests(account)}))
}

/// The algorithms that the account can answer a challenge with.
fn digests(account: &Account) -> Vec<&'static str> {
    let has = |algorithm: &Algorithm| account.credential.ha1(*algorithm).is_some();
    ALGORITHMS.iter().filter(|algorithm| has(algorithm)).map(|algorithm| algorithm.name()).collect()
}

/// The day, in UTC.
fn date(epoch_s: i64) -> String {
    match Timestamp::from_second(epoch_s) {
        Ok(time) => time.to_zoned(TimeZone::UTC).date().to_string(),
        Err(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(1_795_305_599), "2026-11-21");
        assert_eq!(date(i64::MAX), "?");
    }
}
