//! Which ways a request has gone: History-Info, RFC 7044. The phone that gets a call sees who was called first, and why it
//! came here; who calls sees, if he asks, what became of it.
//!
//! ```text
//!   <sip:100@house>;index=1                                   what was dialled, on behalf of who did not write it (§9.1)
//!   <sip:bob@house>;index=1.1;mp=1                            the rule made another user of it
//!   <sip:bob@192.0.2.12?Reason=SIP%3Bcause%3D486>;index=1.2;rc=1.1     this phone of his was busy
//!   <sip:bob@192.0.2.13>;index=1.3;rc=1.1                     so it comes here
//! ```
//! What stands in the request already stays where it is; the new entries are one line below it. [`History`] is what §9.1 calls
//! a cache: the steps that were taken here, each an entry, with what came back about it.

mod entry;
mod story;
mod taken;

use offhook_sip::{Message, Name, NameAddr, Params};

use crate::privacy::Privacy;
use entry::sound_index;
use taken::Taken;

pub use entry::Veil;
pub use story::{Story, is_of, veil_of};

/// Most entries of a request that gets more from us; twice what Max-Forwards allows servers that retarget, and one that
/// brings more goes on as it is. Of our own no more are remembered either.
pub const ENTRIES_MAX: usize = 50;

/// What we may add to one message, bytes: our own entry and some of the branches that failed before. What does not fit is
/// left out, gaps are allowed (§9.3).
pub const ADDED_BYTES_MAX: usize = 1_500;

/// How the Request-URI of a copy came about: §10.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It is the received one: `np`.
    Unchanged,
    /// The same user, elsewhere: `rc`.
    SameUser,
    /// Another user: `mp`.
    OtherUser,
    /// Somebody else has said so, and not how.
    Unsaid,
}

impl How {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Unchanged => Some("np"),
            Self::SameUser => Some("rc"),
            Self::OtherUser => Some("mp"),
            Self::Unsaid => None,
        }
    }
}

/// A change of the Request-URI on the way from the one that was received to that of a copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leap {
    /// The new one.
    pub uri: Box<[u8]>,
    /// How it came about.
    pub how: How,
    /// The entry that it came of, where somebody else has said that; else it is the one before it on the way.
    pub of: Option<Box<[u8]>>,
}

impl Leap {
    /// One of our own.
    pub fn new(uri: &[u8], how: How) -> Self {
        Self { uri: uri.into(), how, of: None }
    }

    /// To a contact of a 3xx: "the specific header field parameter in the Contact header field becomes the header field
    /// parameter that is used in the hi-entry", and without one there is none (§10.4).
    pub fn to_contact(uri: &[u8], params: Params<'_>) -> Self {
        let said = |name: &[u8], how| Some((how, sound_index(params.value(name)?)?));
        match said(b"rc", How::SameUser).or_else(|| said(b"mp", How::OtherUser)) {
            Some((how, of)) => Self { of: Some(of.into()), ..Self::new(uri, how) },
            None => Self::new(uri, How::Unsaid),
        }
    }
}

/// A leap that was taken, as an entry; `B` names a branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step<B> {
    index: Box<[u8]>,
    leap: Leap,
    /// The copy that it was; `None`: a target within us, or one that was not sent yet.
    branch: Option<B>,
    /// Whether there was a copy at all.
    is_within: bool,
    /// What it was answered last, 408 for silence; 0: nothing yet.
    status: u16,
    /// Further reasons that came with that, ready to be written.
    reasons: Box<[u8]>,
    /// Whoever got it wants it hidden (§10.1.1).
    is_private: bool,
    /// The entries of others below it.
    below: Vec<Taken>,
}

impl<B> Step<B> {
    fn new(index: Box<[u8]>, leap: Leap, is_within: bool) -> Self {
        let (reasons, below) = (Box::default(), Vec::new());
        Self { index, leap, branch: None, is_within, status: 0, reasons, is_private: false, below }
    }

    /// Whether it has its place in what comes later: §9.3, as soon as something but a 100 was heard.
    fn is_cached(&self) -> bool {
        self.is_within || self.status > 100
    }
}

/// The way of one request through us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History<B> {
    /// The lines of the request, where its sender is to see them again.
    came: Box<[u8]>,
    /// The index of the Request-URI that was received.
    base: Box<[u8]>,
    /// Whose telephone numbers are; empty: nobody's.
    domain: Box<[u8]>,
    steps: Vec<Step<B>>,
    /// How many leaps there were below that.
    leaps: usize,
    /// Whether its sender wants to know (§9.4).
    is_wanted: bool,
    /// Whether its sender wants it kept among those who are trusted (§10.1).
    is_private: bool,
}

/// Whether who sent this wants History-Info in responses: §9.4.
pub fn is_wanted(request: &Message<'_>) -> bool {
    request.has(Name::HistoryInfo) || request.option_tags(Name::Supported).has(b"histinfo")
}

impl<B: Copy + PartialEq> History<B> {
    /// As it comes, for this Request-URI; telephone numbers become those of `domain`, where there is one. `None`: nothing can
    /// be added to what is there.
    pub fn of(request: &Message<'_>, received: &[u8], domain: Option<&str>) -> Option<Self> {
        if request.values(Name::HistoryInfo).take(ENTRIES_MAX + 1).count() > ENTRIES_MAX {
            return None;
        }
        let (base, is_there) = match request.values(Name::HistoryInfo).last() {
            None => (b"1".to_vec(), false),
            Some(last) => {
                let entry = NameAddr::parse(last)?;
                let index = sound_index(entry.params().value(b"index")?)?;
                match entry::stands_for(entry.uri, received) {
                    true => (index.to_vec(), true),
                    // §10.3 rule 6: somebody on the way has said nothing.
                    false => ([index, b".0"].concat(), false),
                }
            }
        };
        let is_wanted = is_wanted(request);
        let base: Box<[u8]> = base.into();
        let domain: Box<[u8]> = domain.unwrap_or_default().as_bytes().into();
        let first = || {
            let received = entry::number_at(received, &domain);
            Step::new(base.clone(), Leap::new(&received, How::Unsaid), true)
        };
        Some(Self {
            came: if is_wanted { lines(request).into() } else { Box::default() },
            steps: if is_there { Vec::new() } else { vec![first()] },
            base,
            domain,
            leaps: 0,
            is_wanted,
            is_private: Privacy::of(request).hides_history(),
        })
    }

    /// The steps to a copy whose Request-URI came about like this: those that nobody has taken yet, the copy last. `path` begins
    /// behind the received one.
    pub fn steps_to(&self, path: &[Leap]) -> Vec<Step<B>> {
        let mut steps: Vec<Step<B>> = Vec::new();
        let mut parent = self.base.clone();
        for (place, leap) in path.iter().enumerate() {
            let is_within = place + 1 < path.len();
            let of = Some(leap.of.clone().unwrap_or(parent));
            let leap = Leap { uri: entry::number_at(&leap.uri, &self.domain).into(), how: leap.how, of };
            let known = self.steps.iter().find(|step| is_within && step.is_within && step.leap == leap);
            parent = match known {
                Some(step) => step.index.clone(),
                None => {
                    let number = self.leaps + steps.len() + 1;
                    let index: Box<[u8]> = entry::below(&self.base, number).into();
                    steps.push(Step::new(index.clone(), leap, is_within));
                    index
                }
            };
        }
        steps
    }

    /// The copy for this branch is on its way.
    pub fn note(&mut self, branch: B, steps: Vec<Step<B>>) {
        self.leaps += steps.len();
        for mut step in steps {
            step.branch = (!step.is_within).then_some(branch);
            if self.steps.len() < ENTRIES_MAX {
                self.steps.push(step);
            }
        }
    }

    /// Another branch stands in the place of one.
    pub fn hand_on(&mut self, old: B, new: B) {
        for step in self.steps.iter_mut().filter(|step| step.branch == Some(old)) {
            step.branch = Some(new);
        }
    }

    /// A branch was answered with this status, or has said nothing, which counts as one: §9.3. `is_ours` knows our domains.
    pub fn heard(
        &mut self,
        branch: B,
        (status, response): (u16, Option<&Message<'_>>),
        is_ours: impl Fn(&[u8]) -> bool,
    ) {
        let Some(step) = self.steps.iter_mut().find(|step| step.branch == Some(branch)) else { return };
        step.status = status;
        if let Some(response) = response {
            step.take(response, is_ours);
        }
    }

    /// The parameter that says of a Contact of our own how it came about (§8).
    pub fn write_mark(&self, how: How, out: &mut Vec<u8>) {
        if let Some(name) = how.name().filter(|_| self.is_wanted) {
            entry::write_param(name, &self.base, out);
        }
    }
}

/// The lines of History-Info of a message.
fn lines(message: &Message<'_>) -> Vec<u8> {
    let all = message.lines_of(Name::HistoryInfo).map(|line| &message.bytes()[line.whole()]);
    all.collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests;
