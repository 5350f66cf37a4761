//! Caller preferences: RFC 3841 §7.2. Which of a user's phones a caller wants, and which of them first.
//!
//! ```text
//!   Reject-Contact, Accept-Contact ──► rules ──┐        each contact by what it registered (RFC 3840):
//!   none of them: the method, the event ───────┴──────► Standing: unwanted, or how much it is wanted
//! ```
//! The called user's own order (q) is never overruled: among phones of one q those that are wanted more ring first.

use offhook_sip::header::Values;
use offhook_sip::{Feature, FeatureSet, Likeness, Message, Method, Name, Params, Refusal};

/// Most values of Accept-Contact and Reject-Contact together: RFC 3841 §11 names 20 as reasonable. One more is refused.
pub const RULES_MAX: usize = 20;

/// Most values of all features in them: each is compared with each value that a phone has registered. One more is refused.
pub const FEATURE_VALUES_MAX: usize = 100;

/// How much a contact is wanted that nobody prefers another to: `Qa` of RFC 3841 §7.2.4, in thousandths.
pub const INDIFFERENT_MILLI: u16 = 1000;

/// What a caller prefers.
#[derive(Clone, Debug)]
pub enum Preferences<'a> {
    /// He has said it.
    Explicit(Vec<Rule<'a>>),
    /// He has not, but the request wants phones that know its method, and its event package (RFC 3841 §7.2.2).
    Implicit {
        /// The method as written.
        method: &'a [u8],
        /// The event package of a SUBSCRIBE.
        event: Option<&'a [u8]>,
    },
}

/// One value of Accept-Contact or Reject-Contact.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    features: FeatureSet<'a>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Reject,
    Accept { require: bool, explicit: bool },
}

/// What becomes of a contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is not called.
    Unwanted,
    /// It is called, those that are wanted more before others of the same q; in thousandths.
    Wanted(u16),
}

impl<'a> Preferences<'a> {
    /// What this request prefers.
    ///
    /// # Errors
    /// A value of Accept-Contact or Reject-Contact is malformed, or there are too many (RFC 3841 §11).
    pub fn of(message: &Message<'a>, method: Method) -> Result<Self, Refusal<'static>> {
        if message.has(Name::AcceptContact) || message.has(Name::RejectContact) {
            return Self::explicit(message);
        }
        // An ACK goes where its INVITE went.
        let wanted = if method == Method::Ack { b"INVITE" } else { message.method_text() };
        let event = message.value(Name::Event).filter(|_| method == Method::Subscribe);
        let package = |value: &'a [u8]| value.split(|&c| matches!(c, b';' | b' ' | b'\t')).next();
        Ok(Self::Implicit { method: wanted, event: event.and_then(package) })
    }

    fn explicit(message: &Message<'a>) -> Result<Self, Refusal<'static>> {
        let mut rules = Vec::new();
        let mut values = 0;
        let mut read = |all: Values<'_, 'a>, name: Name| {
            for text in all {
                let bad = Refusal::new(400).because("Malformed Accept-Contact or Reject-Contact");
                let rule = Rule::read(text, name).ok_or(bad)?;
                values += rule.features.features().map(|f| f.values().count()).sum::<usize>();
                if rules.len() == RULES_MAX || values > FEATURE_VALUES_MAX {
                    return Err(Refusal::new(403).because("Too many caller preferences"));
                }
                rules.push(rule);
            }
            Ok(())
        };
        read(message.values(Name::RejectContact), Name::RejectContact)?;
        read(message.values(Name::AcceptContact), Name::AcceptContact)?;
        Ok(Self::Explicit(rules))
    }

    /// Whether the caller has said nothing himself: then a request that no phone wants goes to all of them, and is refused
    /// by those who know why (RFC 3841 §7.2.4).
    pub fn are_implicit(&self) -> bool {
        matches!(self, Self::Implicit { .. })
    }

    /// Judges a contact by the parameters it was registered with.
    pub fn judge(&self, params: Params<'_>) -> Standing {
        let capable = FeatureSet::new(params);
        // §7.2.3: who has said nothing about himself is immune.
        if capable.is_empty() {
            return Standing::Wanted(INDIFFERENT_MILLI);
        }
        match self {
            Self::Explicit(rules) => judge_by(rules, capable),
            Self::Implicit { method, event } => judge_silently(method, *event, capable),
        }
    }
}

fn judge_by(rules: &[Rule<'_>], capable: FeatureSet<'_>) -> Standing {
    let (mut sum_milli, mut matching, mut asked) = (0, 0, false);
    for rule in rules {
        match rule.judge(capable) {
            Verdict::Drop => return Standing::Unwanted,
            Verdict::Score(milli) => {
                sum_milli += milli;
                matching += 1;
                asked = true;
            }
            Verdict::NoMatch => asked = true,
            Verdict::Nothing => {}
        }
    }
    // The mean over the rules that match. Where none of several does, nothing speaks for this phone.
    match (sum_milli.checked_div(matching), asked) {
        (Some(mean_milli), _) => Standing::Wanted(mean_milli as u16),
        (None, true) => Standing::Wanted(0),
        (None, false) => Standing::Wanted(INDIFFERENT_MILLI),
    }
}

/// §7.2.2: a rule with its require flag. Only an event package makes an order: which methods it knows few phones say, and
/// those that do not would ring only when all others have been silent for minutes.
fn judge_silently(method: &[u8], event: Option<&[u8]>, capable: FeatureSet<'_>) -> Standing {
    let mut likeness = Likeness::default().and(&Feature::base(b"methods", method), capable);
    if let Some(event) = event {
        likeness = likeness.and(&Feature::base(b"events", event), capable);
    }
    match event {
        _ if !likeness.is_match() => Standing::Unwanted,
        Some(_) => Standing::Wanted(score_milli(likeness) as u16),
        None => Standing::Wanted(INDIFFERENT_MILLI),
    }
}

enum Verdict {
    Drop,
    NoMatch,
    Score(u32),
    /// The rule asks for nothing, or has nothing against this one.
    Nothing,
}

impl<'a> Rule<'a> {
    fn read(text: &'a [u8], name: Name) -> Option<Self> {
        let params = Params::new(text.strip_prefix(b"*")?);
        if !params.are_legal() {
            return None;
        }
        let kind = match name {
            Name::RejectContact => Kind::Reject,
            _ => Kind::Accept { require: params.has(b"require"), explicit: params.has(b"explicit") },
        };
        Some(Self { features: FeatureSet::new(params), kind })
    }

    /// RFC 3841 §7.2.4 with its Figure 1.
    fn judge(&self, capable: FeatureSet<'_>) -> Verdict {
        let likeness = self.features.likeness(capable);
        if likeness.wanted == 0 {
            return Verdict::Nothing;
        }
        match self.kind {
            Kind::Reject if likeness.is_explicit() => Verdict::Drop,
            Kind::Reject => Verdict::Nothing,
            Kind::Accept { require, .. } if !likeness.is_match() => {
                if require {
                    Verdict::Drop
                } else {
                    Verdict::NoMatch
                }
            }
            Kind::Accept { require, explicit: true } if !likeness.is_explicit() => {
                if require {
                    Verdict::Drop
                } else {
                    Verdict::Score(0)
                }
            }
            Kind::Accept { .. } => Verdict::Score(score_milli(likeness)),
        }
    }
}

fn score_milli(likeness: Likeness) -> u32 {
    1000 * likeness.named / likeness.wanted.max(1)
}
