//! A name server whose answers are made up, byte by byte: for tests that throw at us what a network could bring.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::FutureExt;
use futures_util::stream::{self, Stream};
use hickory_resolver::Hosts;
use hickory_resolver::caching_client::CachingClient;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::DnsHandle;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Query};
use hickory_resolver::proto::serialize::binary::BinEncodable;
use offhook_locate::{Answer, Question};

use crate::answer;
use crate::checked::Checked;
use crate::servers::name;

/// What has come of a question.
#[doc(hidden)]
#[derive(Debug)]
pub struct MadeUp {
    /// What we made of it, or why nothing.
    pub said: Result<Answer, String>,
    /// How much the server was asked for it.
    pub asked: usize,
}

/// Asks where these are the answers of the name server, one after the other and then again from the first.
///
/// Each server repeats the question, so an answer has only what follows: a byte with its code, one for each of the three
/// sections with how many records it has, and the records. `checked`: with signatures, below the keys of the root.
#[doc(hidden)]
pub fn made_up(question: &Question, checked: bool, answers: &[&[u8]]) -> MadeUp {
    let answers = answers.iter().map(|answer| answer.to_vec()).collect();
    let server = Server { answers, asked: Arc::default() };
    let kind = answer::record_type(question.kind);
    let options = DnsRequestOptions::default();
    let said = name(question).map(|name| {
        let query = Query::query(name.clone(), kind);
        if checked {
            let (servers, anchors) = (server.clone(), Arc::new(TrustAnchors::default()));
            Checked { servers, anchors, hosts: Hosts::default(), options }.lookup(name, kind).now_or_never()
        } else {
            CachingClient::new(0, server.clone(), true).lookup(query, options).now_or_never()
        }
    });
    let said = said.and_then(|said| answer::read(question.kind, said.ok_or("it waits for nothing")?));
    MadeUp { said, asked: server.asked.load(Relaxed) }
}

#[derive(Clone)]
struct Server {
    answers: Arc<[Vec<u8>]>,
    asked: Arc<AtomicUsize>,
}

impl DnsHandle for Server {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let number = self.asked.fetch_add(1, Relaxed);
        let answer = self.answers.get(number % self.answers.len().max(1)).map_or(&[][..], |answer| answer);
        let said = request.queries.first().map(|query| message(query, answer));
        let said = said.unwrap_or_else(|| Err("no question".into()));
        Box::pin(stream::iter([said]))
    }
}

/// RFC 1035 §4.1: the message, as the network would bring it.
fn message(query: &Query, answer: &[u8]) -> Result<DnsResponse, NetError> {
    let (head, records) = answer.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    let [code, counts @ ..] = *head;
    let mut bytes = vec![0, 0, 0x81, 0x80 | (code & 0x0F), 0, 1];
    bytes.extend(counts.iter().flat_map(|count| u16::from(*count).to_be_bytes()));
    bytes.extend(query.to_bytes().map_err(NetError::from)?);
    bytes.extend_from_slice(records);
    let response = DnsResponse::from_buffer(bytes).map_err(NetError::from)?;
    Ok(DnsError::from_response(response)?)
}
