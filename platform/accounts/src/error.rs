//! Why accounts could not be changed or imported. No text shows a password.

use offhook_store::{StoreError, sql};

use crate::{ALIASES_PER_ACCOUNT_MAX, DOMAIN_LEN_MAX, LINE_LEN_MAX, PASSWORD_LEN_MAX, USER_LEN_MAX};

/// What is wrong with a name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// No user part.
    #[error("the user is empty")]
    UserEmpty,
    /// Longer than [`USER_LEN_MAX`].
    #[error("the user has more than {USER_LEN_MAX} bytes")]
    UserTooLong,
    /// Not among the `user` characters of RFC 3261 §25.1.
    #[error("{0:?} cannot be part of a user; allowed are letters, digits and -_.!~*'()&=+$,;?/")]
    UserCharacter(char),
    /// An escape that is cut off, not needed, or of a control character.
    #[error(
        "% begins an escape such as %20: two upper-case hex digits, only for characters that are not allowed plainly"
    )]
    UserEscape,
    /// No domain.
    #[error("the domain is empty")]
    DomainEmpty,
    /// Longer than [`DOMAIN_LEN_MAX`].
    #[error("the domain has more than {DOMAIN_LEN_MAX} bytes")]
    DomainTooLong,
    /// Neither a host name nor an address.
    #[error("{0:?} is neither a host name nor an IP address (without port or final dot)")]
    Domain(String),
}

/// Why an account could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Not a possible name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// The name of an alias is that of an account.
    #[error("{0} is an account, so it cannot be another name of one")]
    IsAccount(String),
    /// It is not there.
    #[error("there is no account {0}")]
    Unknown(String),
    /// The name is another one's alias, or its own: of whom.
    #[error("{alias} is {of} already")]
    AliasTaken {
        /// The alias with its domain.
        alias: String,
        /// The account with its domain.
        of: String,
    },
    /// Nobody has this alias.
    #[error("{0} is no other name of anybody")]
    UnknownAlias(String),
    /// It has [`ALIASES_PER_ACCOUNT_MAX`].
    #[error("{0} has {ALIASES_PER_ACCOUNT_MAX} other names already")]
    TooManyAliases(String),
    /// An empty password, too long a one, or one that nobody could type.
    #[error("a password has 1 to {PASSWORD_LEN_MAX} bytes and no control characters")]
    Password,
    /// The system has no random bytes for us.
    #[error("no entropy: {0}")]
    Entropy(getrandom::Error),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a file was not imported. Nothing of it has been taken over then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// One of its lines is wrong.
    #[error("line {line}: {fault}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        fault: LineFault,
    },
    /// It could not be read to its end.
    #[error("cannot read: {0}")]
    Read(#[from] std::io::Error),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a line of an import.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// Longer than [`LINE_LEN_MAX`]: probably not such a file at all.
    #[error("longer than {LINE_LEN_MAX} bytes")]
    TooLong,
    /// Not text in UTF-8.
    #[error("not UTF-8")]
    Text,
    /// A quote that does not end on this line, or text after it.
    #[error("a quoted field must end with \" before the next comma; write \"\" for a quote inside")]
    Quote,
    /// Too few or too many.
    #[error("{0} fields; expected are user,domain,password or user,domain,password,ha1")]
    Fields(usize),
    /// Not a possible name or password, or the account exists, in the store or on a line above.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Not a digest.
    #[error("ha1 is not the 32 hex digits of an MD5 digest")]
    Ha1,
    /// Nobody could log in.
    #[error("neither a password nor a ha1")]
    NoCredential,
}

impl From<sql::Error> for AccountError {
    fn from(error: sql::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sql::Error> for ImportError {
    fn from(error: sql::Error) -> Self {
        Self::Store(error.into())
    }
}
