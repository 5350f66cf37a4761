//! CSeq: RFC 3261 §20.16.

use crate::chars::{is_lws, is_whole_token, number, trim};
use crate::limits::CSEQ_MAX;
use crate::{Malformed, Method};

/// The sequence number and method of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CSeq<'a> {
    /// The number, below 2³¹.
    pub number: u32,
    /// The method as written.
    pub method: &'a [u8],
}

impl<'a> CSeq<'a> {
    /// Parses `4711 INVITE`.
    ///
    /// # Errors
    /// No number below 2³¹, or no method.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let gap = value.iter().position(|&c| is_lws(c)).ok_or(Malformed::Header("CSeq"))?;
        let method = trim(&value[gap..]);
        match number(&value[..gap], CSEQ_MAX) {
            Some(number) if is_whole_token(method) => Ok(Self { number, method }),
            _ => Err(Malformed::Header("CSeq")),
        }
    }

    /// The method as a value.
    pub fn method(&self) -> Method {
        Method::from_token(self.method)
    }
}
