//! What stands between the check of signatures and the name servers.
//!
//! ```text
//!   checked ──► hickory's DnssecDnsHandle ──► Guard ──► name servers
//!                 ▲   │ for each signature: the keys of the zone, then what its parent says of them
//!                 └───┘
//! ```
//! A domain can be made so that each signature leads to several others, and those to more (CVE-2023-50387, KeyTrap). So
//! here each check has a purse: what it asks costs, and when nothing is left the name cannot be believed. What is not
//! needed for the check, or must not be used in it, does not come through; what is asked twice is fetched once.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use futures_util::stream::{self, Stream};
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequest, DnsResponse, Message, Query};

use crate::evidence;

/// What one check may ask for, the keys of all the zones above a name included and whether or not it was asked before. A
/// name four zones deep takes about ten; some 25, while each of them signs twice or more as its keys are changed. An alias
/// begins with its own zones.
const QUESTIONS_MAX: usize = 96;

type Said = Result<DnsResponse, NetError>;

/// What stands before the name servers during one check. Copies are the same check.
#[derive(Clone)]
pub(crate) struct Guard<H> {
    servers: H,
    check: Arc<Mutex<Check>>,
    /// Why something was not let through, if it was not.
    refused: Arc<OnceLock<&'static str>>,
}

struct Check {
    /// Questions that may still be asked.
    left: usize,
    /// What was asked already, and is on its way or there.
    said: HashMap<Query, Shared<BoxFuture<'static, Said>>>,
}

impl<H: DnsHandle> Guard<H> {
    pub(crate) fn new(servers: H) -> Self {
        let check = Check { left: QUESTIONS_MAX, said: HashMap::new() };
        Self { servers, check: Arc::new(Mutex::new(check)), refused: Arc::default() }
    }

    /// Why something was not let through, if it was not: hickory then only says that it could not believe the rest.
    pub(crate) fn refused(&self) -> Option<&'static str> {
        self.refused.get().copied()
    }

    /// Asks the servers, or waits with who has asked them before.
    fn fetch(&self, request: DnsRequest) -> Result<Shared<BoxFuture<'static, Said>>, NetError> {
        let query = request.queries.first().cloned().ok_or("no question")?;
        let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = check.left.checked_sub(1) else {
            return Err(refuse(&self.refused, "its signatures take too long to check"));
        };
        check.left = left;
        let (servers, refused, asked) = (self.servers.clone(), Arc::clone(&self.refused), query.clone());
        let fetch = || async move {
            let mut answer = servers.send(request).first_answer().await.or_else(as_answer)?;
            evidence::keep(&asked, &mut answer).map_err(|why| refuse(&refused, why))?;
            Ok(answer)
        };
        Ok(check.said.entry(query).or_insert_with(|| fetch().boxed().shared()).clone())
    }
}

fn refuse(refused: &OnceLock<&'static str>, why: &'static str) -> NetError {
    refused.get_or_init(|| why);
    why.into()
}

impl<H: DnsHandle> DnsHandle for Guard<H> {
    type Response = Pin<Box<dyn Stream<Item = Said> + Send>>;
    type Runtime = H::Runtime;

    fn send(&self, request: DnsRequest) -> Self::Response {
        match self.fetch(request) {
            Ok(said) => Box::pin(stream::once(said)),
            Err(error) => Box::pin(stream::iter([Err(error)])),
        }
    }
}

/// An absence, which hickory has made an error of, as the answer that it was: its proof is looked at like any other.
fn as_answer(error: NetError) -> Said {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = error else { return Err(error) };
    let mut message = Message::query();
    message.add_query(*none.query);
    message.metadata.response_code = none.response_code;
    message.add_authorities(none.authorities.iter().flat_map(|records| records.iter().cloned()));
    Ok(DnsResponse::from_message(message.into_response())?)
}
