//! Many accounts from a file: `user,domain,password` or `user,domain,password,ha1` on each line.
//!
//! `ha1` is an MD5 digest in hex, as other servers keep it; it is taken as it is, and the password may then be empty.
//! The first line may name the columns. All of a file is taken over, or nothing.

use std::io::Read;

use offhook_digest::{Algorithm, Ha1};
use offhook_store::sql;

use crate::accounts::{check_password, insert, next_change};
use crate::csv::{Lines, fields};
use crate::name::Name;
use crate::{AccountError, Accounts, Credential, ImportError, LineFault};

/// How far an import has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Accounts.
    pub accounts: u64,
    /// Bytes of the file; its length is the caller's to know.
    pub bytes: u64,
}

/// How often `progress` is called.
const PROGRESS_EVERY_ACCOUNTS: u64 = 1000;

impl Accounts {
    /// Adds the accounts in a file of comma-separated values and says how many they were. `progress` is called for
    /// every thousandth and at the end. Other writers wait while it runs; readers do not.
    ///
    /// # Errors
    /// [`ImportError::Line`] names the first line that is wrong; an account that exists already is wrong, too.
    pub fn import(&self, file: impl Read, mut progress: impl FnMut(Progress)) -> Result<u64, ImportError> {
        self.store.write(|sql| {
            let change = next_change(sql)?;
            let mut lines = Lines::new(file);
            let mut accounts = 0;
            while let Some(line) = lines.next()? {
                let is_header = accounts == 0 && is_header(line);
                if line.is_empty() || is_header {
                    continue;
                }
                if let Err(fault) = import_line(sql, change, line) {
                    return Err(fault.on_line(lines.number));
                }
                accounts += 1;
                if accounts % PROGRESS_EVERY_ACCOUNTS == 0 {
                    progress(Progress { accounts, bytes: lines.bytes });
                }
            }
            progress(Progress { accounts, bytes: lines.bytes });
            Ok(accounts)
        })
    }
}

impl LineFault {
    /// A store that failed is not the line's fault.
    fn on_line(self, line: u64) -> ImportError {
        match self {
            Self::Account(AccountError::Store(error)) => ImportError::Store(error),
            fault => ImportError::Line { line, fault },
        }
    }
}

fn is_header(line: &str) -> bool {
    ["user,domain,password", "user,domain,password,ha1"]
        .iter()
        .any(|header| line.eq_ignore_ascii_case(header))
}

fn import_line(sql: &sql::Transaction<'_>, change: i64, line: &str) -> Result<(), LineFault> {
    let fields = fields(line)?;
    let (user, domain, password, ha1) = match fields.as_slice() {
        [user, domain, password] => (user, domain, password, ""),
        [user, domain, password, ha1] => (user, domain, password, ha1.as_ref()),
        other => return Err(LineFault::Fields(other.len())),
    };
    let name = Name::new(user, domain).map_err(AccountError::from)?;
    let password = if password.is_empty() { None } else { Some(password.as_ref()) };
    password.map_or(Ok(()), check_password)?;
    let credential = match (ha1, password) {
        ("", None) => return Err(LineFault::NoCredential),
        ("", Some(password)) => Credential::from_password(&name, password),
        (hex, password) => {
            let ha1 = Ha1::from_hex(Algorithm::Md5, hex.as_bytes()).ok_or(LineFault::Ha1)?;
            Credential::from_md5(&name, &ha1, password)
        }
    };
    Ok(insert(sql, change, &name, &credential)?)
}
