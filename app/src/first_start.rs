//! The first start of a server: two accounts, so that two phones can call each other at once.

use anyhow::Context;
use offhook_accounts::{Accounts, Filter};

/// An account just made, with the password that nobody will see again.
pub struct Newcomer {
    /// User part.
    pub user: &'static str,
    /// The password.
    pub password: String,
}

/// Makes alice and bob where there is no account at all.
pub fn accounts(accounts: &Accounts, domain: &str) -> anyhow::Result<Vec<Newcomer>> {
    if !accounts.list(Filter { limit: 1, ..Filter::default() })?.is_empty() {
        return Ok(Vec::new());
    }
    let make = |user| {
        let password = accounts.add_with_generated(user, domain).context("cannot make the first accounts")?;
        Ok(Newcomer { user, password })
    };
    ["alice", "bob"].into_iter().map(make).collect()
}
