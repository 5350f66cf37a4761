//! Accounts and their credentials.
//!
//! ```text
//!   administration                    the file                     the server's threads
//!   add, remove, set_password ──────► account, change 17 ──┐
//!   import (another process) ───────► account, change 18 ──┤ refresh: what came after 16?
//!                                                          └──► Directory ──load, find──► Credential ──► Ha1
//! ```
//!
//! An account is a user in a domain, `alice` in `example.com`. Stored are digests of the password, one for each hash
//! function of RFC 8760, with the domain as realm; a password itself is never written anywhere.
//!
//! Every change has a number, and names that are gone are remembered for a while ([`REMOVALS_KEPT`]). So a server
//! learns what others changed by reading only that.
//!
//! Not here: what an account may do, groups.

#![forbid(unsafe_code)]

mod accounts;
mod alias;
mod credential;
mod csv;
mod directory;
mod error;
mod generate;
mod import;
mod name;
mod number;
mod refresh;

pub use accounts::{Account, Accounts, Filter, LIST_ROWS_MAX, PASSWORD_LEN_MAX, REMOVALS_KEPT};
pub use alias::{ALIASES_PER_ACCOUNT_MAX, Alias};
pub use credential::Credential;
pub use csv::LINE_LEN_MAX;
pub use directory::Directory;
pub use error::{AccountError, ImportError, LineFault, NameError};
pub use import::Progress;
pub use name::{DOMAIN_LEN_MAX, USER_LEN_MAX};
