//! The target set of a request: RFC 3261 §16.5, as flat copies in memory that is used again for each request.

use std::ops::Range;

use offhook_locate::Wanted;
use offhook_location::Binding;
use offhook_net::{ConnectionId, Flow, Listener};
use offhook_sip::{Transport, Uri};

use crate::hop::{self, NoHop};

/// One target: where a copy of the request goes and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The path to it.
    pub flow: Flow,
    /// The Request-URI it gets, if not the received one.
    pub uri: Option<Range<usize>>,
    /// Route values to preload (Path).
    pub path: Range<usize>,
    /// Preference in thousandths; equal ones ring together (§16.6).
    pub q_milli: u16,
    /// Further paths to it, in the order in which to try them.
    pub spare: Range<usize>,
    /// The name that led here: by TLS the peer must prove to have it.
    pub name: Range<usize>,
    /// Whether its Contact cannot be reached later, so that its flow must be remembered in Record-Route.
    pub pinned: bool,
}

/// The targets of one request.
#[derive(Clone, Default, Debug)]
pub(crate) struct Targets {
    texts: Vec<u8>,
    list: Vec<Target>,
    spares: Vec<Flow>,
    /// Names that must be looked up before the list is whole.
    names: Vec<Wanted>,
}

impl Target {
    fn at(flow: Flow) -> Self {
        Self { flow, uri: None, path: 0..0, q_milli: 1000, spare: 0..0, name: 0..0, pinned: false }
    }
}

impl Targets {
    /// Forgets all, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.list.clear();
        self.spares.clear();
        self.names.clear();
    }

    /// A target that keeps the Request-URI.
    pub(crate) fn push_flow(&mut self, flow: Flow) {
        self.list.push(Target::at(flow));
    }

    /// A target that keeps the Request-URI and has several paths; the first is tried first. `name` led to it.
    pub(crate) fn push_flows(&mut self, flows: &[Flow], name: &str) {
        let Some((first, others)) = flows.split_first() else { return };
        let name = self.keep(name.as_bytes());
        let start = self.spares.len();
        self.spares.extend_from_slice(others);
        self.list.push(Target { spare: start..self.spares.len(), name, ..Target::at(*first) });
    }

    /// A name must be looked up first.
    pub(crate) fn await_name(&mut self, wanted: Wanted) {
        if !self.names.contains(&wanted) {
            self.names.push(wanted);
        }
    }

    /// The names that must be looked up first.
    pub(crate) fn take_names(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.names)
    }

    /// This target alone, if it has further paths.
    pub(crate) fn with_spares(&self, target: &Target) -> Option<Self> {
        let flows = self.spares.get(target.spare.clone()).filter(|flows| !flows.is_empty())?;
        let target = Target { spare: 0..flows.len(), ..target.clone() };
        Some(Self {
            texts: self.texts.clone(),
            spares: flows.to_vec(),
            list: vec![target],
            names: Vec::new(),
        })
    }

    /// Moves the one target to its next path. `false`: that was the last.
    pub(crate) fn next_address(&mut self) -> bool {
        let Some(target) = self.list.first_mut() else { return false };
        let Some(next) = self.spares.get(target.spare.start).filter(|_| !target.spare.is_empty()) else {
            return false;
        };
        target.flow = *next;
        target.spare.start += 1;
        true
    }

    /// Whether any target has further paths.
    pub(crate) fn have_spares(&self) -> bool {
        !self.spares.is_empty()
    }

    /// A registered contact, if there is a way to it. `secure`: the request is for a `sips` URI.
    ///
    /// RFC 5630 §5.3: it may then go to `sips` contacts only. A `sips` contact gets requests for a `sip` URI as well, by
    /// TLS, and with `sip` in the place of `sips`.
    pub(crate) fn push_binding(
        &mut self,
        binding: &Binding<'_>,
        listeners: &[Listener],
        arrived_on: u16,
        secure: bool,
    ) -> Result<(), NoHop> {
        let flow = flow_of(binding, listeners, arrived_on).ok_or(NoHop::NoListener)?;
        let is_sips = binding.contact.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"));
        let is_safe = flow.transport.is_secure();
        if secure && !(is_sips && is_safe) {
            return Err(NoHop::Insecure);
        }
        if is_sips && !is_safe {
            return Err(NoHop::SecureOnly);
        }
        let uri = match is_sips && !secure {
            true => self.keep_as_sip(binding.contact),
            false => self.keep(binding.contact),
        };
        let path = self.keep(binding.path);
        let pinned = binding.path.is_empty() && (binding.flow.nat || flow.transport.is_reliable());
        self.list.push(Target { uri: Some(uri), path, q_milli: binding.q_milli, pinned, ..Target::at(flow) });
        Ok(())
    }

    /// A `sips` URI with its scheme replaced.
    fn keep_as_sip(&mut self, sips: &[u8]) -> Range<usize> {
        let start = self.keep(b"sip").start;
        start..self.keep(&sips[4..]).end
    }

    fn keep(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        start..self.texts.len()
    }

    /// The preferred ones first, at most `max` of them.
    pub(crate) fn order(&mut self, max: usize) {
        if self.list.len() > 1 {
            // Stable: among equals the one registered first stays first.
            self.list.sort_by_key(|t| std::cmp::Reverse(t.q_milli));
        }
        self.list.truncate(max);
    }

    /// How many of the first targets share the highest preference: they ring together.
    pub(crate) fn first_group(&self) -> usize {
        let q = self.list.first().map(|t| t.q_milli);
        self.list.iter().take_while(|t| Some(t.q_milli) == q).count()
    }

    /// Takes the first `count` targets away.
    pub(crate) fn drop_first(&mut self, count: usize) {
        self.list.drain(..count.min(self.list.len()));
    }

    /// Keeps only some of the targets.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Target) -> bool) {
        self.list.retain(keep);
    }

    /// The targets.
    pub(crate) fn list(&self) -> &[Target] {
        &self.list
    }

    /// The text of a range of a target.
    pub(crate) fn text(&self, range: &Range<usize>) -> &[u8] {
        self.texts.get(range.clone()).unwrap_or_default()
    }
}

/// The path to a registered contact: through its Path, over its connection, to where its REGISTER came from if a NAT
/// stands between, else to the address it gave.
fn flow_of(binding: &Binding<'_>, listeners: &[Listener], arrived_on: u16) -> Option<Flow> {
    let stored = &binding.flow;
    let same_listener =
        listeners.get(usize::from(stored.listener)).is_some_and(|l| l.transport == stored.transport);
    let back = Flow {
        transport: stored.transport,
        listener: stored.listener,
        connection: ConnectionId { index: stored.connection_index, generation: stored.connection_generation },
        remote: stored.remote,
    };
    if !binding.path.is_empty() {
        // RFC 3327 §5.3: the request goes back the way the REGISTER came.
        let first = offhook_sip::header::split(binding.path).0;
        let uri = offhook_sip::NameAddr::parse(first)?.parsed_uri().ok()?;
        return hop::to_uri(&uri, listeners, arrived_on).ok();
    }
    // The connections of an earlier process are gone, and at their far ends nobody listens: then the Contact is tried.
    let is_there = stored.transport == Transport::Udp || back.connection.is_some();
    if same_listener && is_there && (stored.nat || stored.transport != Transport::Udp) {
        return Some(back);
    }
    let uri = Uri::parse(binding.contact).ok()?;
    match hop::to_uri(&uri, listeners, stored.listener) {
        // A phone behind a NAT is not where its Contact says; somebody else may be.
        Ok(flow) if is_there || flow.remote.ip() == stored.remote.ip() => Some(flow),
        // A name, or a transport we do not have: the way the REGISTER came is all we know.
        _ if same_listener => Some(back),
        _ => None,
    }
}
