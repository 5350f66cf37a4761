//! Which way a request has gone: History-Info, RFC 7044, and the manual's `history-info.md`.
//!
//! ```text
//!   <sip:bob@a.example>;index=1                            what came, if nobody has said so yet
//!   <sip:bob@192.0.2.12?Reason=…cause%3D486>;index=1.1;rc=1   each copy that was sent before, and what it was answered
//!   <sip:bob@192.0.2.12>;index=1.1.1;np=1.1                   what others have said below it
//!   <sip:bob@192.0.2.13>;index=1.2;rc=1                    this copy, last
//! ```

use super::packet::{Packet, param, uri_of, user_and_host};
use super::transactions::Asking;
use super::{Client, Oracle};

const NAME: &str = "History-Info";

/// Who it was, where that is hidden.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// Attempts that failed are left out where there is no room for them, bytes: some of those that are written at most.
const ROOM_BYTES: usize = 1_000;

/// One entry as text.
type Entry<'e> = &'e str;

/// What RFC 7044 lets an exchange write that was told to.
pub(super) fn is_told(name: &str) -> bool {
    matches!(name, NAME | "Privacy")
}

/// Whether a request begins something, of which the way is told.
pub(super) fn has_way(request: &Packet<'_>) -> bool {
    !matches!(request.method, "ACK" | "CANCEL") && param(request.value("To"), "tag").is_empty()
}

fn entries<'e>(packet: &Packet<'e>) -> Vec<Entry<'e>> {
    packet.values(NAME).flat_map(|line| line.split(", ")).collect()
}

fn index(entry: Entry<'_>) -> Option<Vec<u32>> {
    let number = |text: &str| text.parse().ok().filter(|_| text == "0" || !text.starts_with('0'));
    param(entry, "index").split('.').map(number).collect()
}

fn bare(entry: Entry<'_>) -> &str {
    uri_of(entry).split('?').next().unwrap_or_default()
}

/// The index of what came, and whether there is an entry for it already (§10.3 rule 6).
fn base_of(request: &Packet<'_>) -> (Vec<u32>, bool) {
    let Some(last) = entries(request).last().copied() else { return (vec![1], false) };
    let is_there = bare(last) == request.uri();
    let mut base = index(last).unwrap_or_default();
    base.extend((!is_there).then_some(0));
    (base, is_there)
}

/// §10.1: `history`, and what hides more than that.
fn hides(request: &Packet<'_>) -> bool {
    let wishes = || request.values("Privacy").flat_map(|line| line.split(';'));
    wishes().all(|wish| wish != "none") && wishes().any(|wish| !matches!(wish, "id" | "critical"))
}

impl<'a> Oracle<'a> {
    /// What a copy says of its way; the index of its own entry, if it has one. `retried`: in whose place it stands.
    pub(super) fn way_is_told(
        &mut self,
        (request, meant): (&Packet<'a>, &str),
        copy: &Packet<'a>,
        (server, retried): (usize, Option<usize>),
    ) -> Option<Vec<u32>> {
        if !self.facts.history || !has_way(request) {
            return None;
        }
        let (base, is_there) = base_of(request);
        let (came, all) = (entries(request), entries(copy));
        let leaves = user_and_host(meant).1 != self.facts.domain || self.facts.neighbour_of(meant).is_some();
        let is_hidden = leaves && hides(request);
        let kept = all.len() > came.len()
            && came.iter().zip(&all).all(|(came, kept)| self.is_kept(came, kept, is_hidden));
        let new = all.get(came.len()..).unwrap_or_default();
        let first = new.first().filter(|_| !is_there);
        let begins = first
            .is_none_or(|first| index(first) == Some(base.clone()) && names(first, request.uri(), is_hidden));
        let own = new.last().filter(|own| names(own, copy.uri(), is_hidden)).and_then(|own| index(own));
        let is_below = own.as_ref().is_some_and(|own| own.len() == base.len() + 1 && own.starts_with(&base));
        let text = |what: &str| format!("{what}: {all:?} of {came:?} in {}", copy.first);
        for (is_so, section, what) in [
            (kept, "RFC 7044 §9.1, §10.1.2", "entries have changed, or none is new"),
            (begins, "RFC 7044 §9.1", "what came has no entry"),
            (is_below, "RFC 7044 §9.2, §10.3", "the copy has no entry below what came"),
            (are_in_order(new), "RFC 7044 §5.1, §10.3", "the indices are in no order"),
            (are_references(&all), "RFC 7044 §10.4", "an entry comes of none that is there"),
            (
                !is_hidden || new.iter().all(|new| self.is_anonymous(new)),
                "RFC 7044 §10.1.2",
                "ours are shown",
            ),
        ] {
            self.expect(is_so, section, text(what));
        }
        let own = own?;
        self.attempts_are_told((server, retried), (new, is_hidden), &own);
        Some(own)
    }

    fn is_kept(&self, came: Entry<'_>, kept: Entry<'_>, is_hidden: bool) -> bool {
        let is_ours = user_and_host(bare(came)).1 == self.facts.domain;
        match is_hidden && is_ours {
            true => bare(kept) == ANONYMOUS && param(kept, "index") == param(came, "index"),
            false => kept == came,
        }
    }

    /// Nobody of ours is shown; what others have said below our entries of themselves is theirs.
    fn is_anonymous(&self, entry: Entry<'_>) -> bool {
        bare(entry) == ANONYMOUS || user_and_host(bare(entry)).1 != self.facts.domain
    }

    /// Each copy has an index of its own, later ones greater; and the next ones say what became of it.
    fn attempts_are_told(
        &mut self,
        (server, retried): (usize, Option<usize>),
        (new, is_hidden): (&[Entry<'a>], bool),
        own: &[u32],
    ) {
        let before: Vec<usize> = self.servers[server].branches.clone();
        let is_later = |client: &Client<'a>| client.entry.as_deref().is_none_or(|entry| entry < own);
        let is_own = |client: &Client<'a>| client.entry.as_deref() == Some(own);
        let fits = before.iter().all(|&client| is_later(&self.clients[client]))
            || retried.is_some_and(|client| is_own(&self.clients[client]));
        self.expect(fits, "RFC 7044 §10.3", format!("{own:?} is no new index"));
        // With credentials goes the copy that was sent without them.
        if retried.is_some() {
            return;
        }
        let has_room = new.iter().map(|entry| entry.len() + 2).sum::<usize>() < ROOM_BYTES;
        // What was repeated with credentials is told once.
        let is_repeated = |at: usize| {
            let entry = |client: usize| self.clients[client].entry.as_ref();
            before[at + 1..].iter().any(|&later| entry(later).is_some() && entry(later) == entry(before[at]))
        };
        let told: Vec<usize> =
            (0..before.len()).filter(|&at| !is_repeated(at)).map(|at| before[at]).collect();
        for client in told {
            let Client { entry: Some(of), request, state, heard, .. } = &self.clients[client] else {
                continue;
            };
            let is_over = *state == Asking::Completed && of.as_slice() != own;
            let found = new.iter().find(|entry| index(entry).as_ref() == Some(of));
            let is_right = |entry: &&str| names(entry, request.uri(), is_hidden) && was_told(entry, heard);
            let tells = found.map_or(!is_over || !has_room, is_right);
            let text = format!("{new:?} tells nothing of {of:?}, which was {}", request.first);
            self.expect(tells, "RFC 7044 §9.3", text);
        }
    }

    /// Who asked hears which way his request has gone, if he wants to know, and nobody else.
    pub(super) fn way_goes_back(&mut self, server: usize, response: &Packet<'a>) {
        let request = self.servers[server].request.clone();
        if !self.facts.history || !has_way(&request) || response.status == 100 {
            return;
        }
        let (came, told) = (entries(&request), entries(response));
        let wants = !came.is_empty() || request.values("Supported").any(|value| value.contains("histinfo"));
        let (base, is_there) = base_of(&request);
        let new = told.get(came.len()..).unwrap_or_default();
        let first = new.first().and_then(|first| index(first));
        let is_right = match wants {
            false => told.is_empty(),
            true => told.starts_with(&came) && (is_there || first == Some(base)) && are_in_order(new),
        };
        let text = format!("{} says {told:?} to who has said {came:?}", response.first);
        self.expect(is_right, "RFC 7044 §9.4", text);
    }
}

/// Whether an entry is for this URI.
fn names(entry: Entry<'_>, uri: &str, is_hidden: bool) -> bool {
    bare(entry) == if is_hidden { ANONYMOUS } else { uri }
}

/// §10.2: what a copy was answered; silence is 408, and where nobody was reached 503. A trunk that asks for other credentials
/// than we have has refused us: 403.
fn was_told(entry: Entry<'_>, heard: &[u16]) -> bool {
    let causes = uri_of(entry).split("cause%3D").skip(1).map(|rest| rest.get(..3).unwrap_or_default());
    let is_asked = || heard.iter().any(|status| matches!(status, 401 | 407));
    causes.map(str::parse).all(|cause| match cause {
        Ok(408 | 503) => true,
        Ok(403) if is_asked() => true,
        Ok(cause) => heard.contains(&cause),
        Err(_) => false,
    })
}

/// §9.2: in the order of the tree, none twice.
fn are_in_order(entries: &[Entry<'_>]) -> bool {
    let indices: Option<Vec<_>> = entries.iter().map(|entry| index(entry)).collect();
    indices.is_some_and(|indices| indices.windows(2).all(|pair| pair[0] < pair[1]))
}

fn are_references(entries: &[Entry<'_>]) -> bool {
    let has = |of: &str| entries.iter().any(|entry| param(entry, "index") == of);
    let of = |entry: &Entry<'_>| {
        ["rc", "mp", "np"]
            .iter()
            .all(|name| Some(param(entry, name)).filter(|of| !of.is_empty()).is_none_or(has))
    };
    entries.iter().all(of)
}
