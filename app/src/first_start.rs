//! The first start of a server: two accounts, so that two phones can call each other at once.

use offhook_accounts::{Accounts, Filter};
use offhook_node::Settings;

/// An account just made, with the password that nobody will see again.
#[derive(Debug)]
pub struct Newcomer {
    /// User part.
    pub user: &'static str,
    /// Domain.
    pub domain: String,
    /// The password.
    pub password: String,
}

/// Makes alice and bob where there is no account at all.
pub fn accounts(accounts: &Accounts, settings: &Settings) -> anyhow::Result<Vec<Newcomer>> {
    if !accounts.list(Filter { limit: 1, ..Filter::default() })?.is_empty() {
        return Ok(Vec::new());
    }
    let domain = settings.identity.first_domain().unwrap_or(offhook_node::DOMAIN_DEFAULT);
    let make = |user| {
        let password = accounts.add_with_generated(user, domain)?;
        Ok(Newcomer { user, domain: domain.to_owned(), password })
    };
    ["alice", "bob"].into_iter().map(make).collect()
}
