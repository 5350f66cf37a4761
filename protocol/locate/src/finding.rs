//! The outcome of a search, as it is carried from whoever asked the name servers to whoever wants to send.

use std::sync::Arc;

use crate::located::Located;
use crate::search::Nowhere;
use crate::wanted::Wanted;

/// What a search has come to. Copies share what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked for.
    pub wanted: Wanted,
    /// The servers, or why there are none.
    pub found: Result<Arc<Located>, Nowhere>,
    /// How long this may be believed, seconds; 0 where nobody answered.
    pub ttl_s: u32,
}

impl Finding {
    /// The servers of a name.
    pub fn found(wanted: Wanted, located: Located) -> Self {
        Self { wanted, ttl_s: located.ttl_s, found: Ok(Arc::new(located)) }
    }

    /// There are none.
    pub fn nowhere(wanted: Wanted, why: Nowhere, ttl_s: u32) -> Self {
        Self { wanted, found: Err(why), ttl_s }
    }
}
