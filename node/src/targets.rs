//! The target set of a request: RFC 3261 §16.5, as flat copies in memory that is used again for each request.

mod paths;

use std::ops::Range;

use offhook_locate::Wanted;
use offhook_location::Binding;
use offhook_net::{Flow, Listener};
use offhook_proxy::preferences::INDIFFERENT_MILLI;
use offhook_sip::{Transport, Uri};

use crate::closed::connection_of;
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
    /// How much the caller wants it among those of one q, in thousandths (RFC 3841 §7.2.4).
    pub wanted_milli: u16,
    /// It is a phone of a user of ours, where he registered it.
    pub registered: bool,
    /// The caller does not want it at all.
    pub unwanted: bool,
    /// Further paths to it, in the order in which to try them.
    pub spare: Range<usize>,
    /// The name that led here: by TLS the peer must prove to have it.
    pub name: Range<usize>,
    /// Whether its Contact cannot be reached later, so that its flow must be remembered in Record-Route.
    pub pinned: bool,
    /// Tells its device from the others of the user; 0 where it has not said which it is.
    pub device: u32,
    /// When it last registered.
    pub registered_at_ms: u64,
    /// The trunk that it belongs to: its index, counted from 1.
    pub trunk: u16,
    /// The contact of a 3xx that led here, counted from 1.
    pub choice: u8,
}

/// The targets of one request.
#[derive(Clone, Default, Debug)]
pub(crate) struct Targets {
    texts: Vec<u8>,
    list: Vec<Target>,
    /// Other ways to devices in the list, to be tried when the first fails (RFC 5626 §7); the best one last.
    spares: Vec<Target>,
    /// Further paths of targets.
    addresses: Vec<Flow>,
    /// Names that must be looked up before the list is whole.
    names: Vec<Wanted>,
    /// How long those of one turn ring before the next, ms, where a rule says so.
    ring_ms: Option<u32>,
    /// A name was known to lead nowhere. That may be otherwise soon.
    name_leads_nowhere: bool,
}

impl Target {
    fn at(flow: Flow) -> Self {
        Self {
            flow,
            uri: None,
            path: 0..0,
            q_milli: 1000,
            wanted_milli: INDIFFERENT_MILLI,
            registered: false,
            unwanted: false,
            spare: 0..0,
            name: 0..0,
            pinned: false,
            device: 0,
            registered_at_ms: 0,
            trunk: 0,
            choice: 0,
        }
    }

    /// Targets of one turn ring together; greater ones before.
    pub(crate) fn turn(&self) -> (u16, u16) {
        (self.q_milli, self.wanted_milli)
    }
}

impl Targets {
    /// Forgets all, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.texts.clear();
        self.list.clear();
        self.spares.clear();
        self.addresses.clear();
        self.names.clear();
        self.ring_ms = None;
        self.name_leads_nowhere = false;
    }

    /// A target that keeps the Request-URI; `pinned`: its flow must be remembered.
    pub(crate) fn push_pinned(&mut self, flow: Flow, pinned: bool) {
        self.list.push(Target { pinned, ..Target::at(flow) });
    }

    /// Another Request-URI and another path for the first target: where the route leads is known, who is meant is not.
    pub(crate) fn readdress_first(&mut self, binding: &Binding<'_>, secure: bool) {
        let uri = self.keep_contact(binding.contact, secure);
        if let Some(first) = self.list.first_mut() {
            first.uri = Some(uri);
        }
    }

    /// Another Request-URI for the last target, if `write` says that it has written one.
    pub(crate) fn readdress_last(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let start = self.texts.len();
        let written = write(&mut self.texts);
        if let Some(last) = self.list.last_mut().filter(|_| written) {
            last.uri = Some(start..self.texts.len());
        }
    }

    /// The last target gets the Request-URI as it came.
    pub(crate) fn keep_uri_for_last(&mut self) {
        if let Some(last) = self.list.last_mut() {
            last.uri = None;
        }
    }

    /// The last target belongs to the trunk with this number.
    pub(crate) fn trunk_of_last(&mut self, number: u16) {
        if let Some(last) = self.list.last_mut() {
            last.trunk = number;
        }
    }

    /// A target that keeps the Request-URI and has several paths; the first is tried first. `name` led to it.
    pub(crate) fn push_flows(&mut self, flows: &[Flow], name: &str) {
        let Some((first, others)) = flows.split_first() else { return };
        let name = self.keep(name.as_bytes());
        let start = self.addresses.len();
        self.addresses.extend_from_slice(others);
        self.list.push(Target { spare: start..self.addresses.len(), name, ..Target::at(*first) });
    }

    /// A name must be looked up first.
    pub(crate) fn await_name(&mut self, wanted: Wanted) {
        if !self.names.contains(&wanted) {
            self.names.push(wanted);
        }
    }

    /// Whether names must be looked up first.
    pub(crate) fn awaits_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Requests to the last target carry this route.
    pub(crate) fn route_of_last(&mut self, route: &[u8]) {
        let path = self.keep(route);
        if let Some(last) = self.list.last_mut() {
            last.path = path;
        }
    }

    /// By TLS the last target must prove to have this name.
    pub(crate) fn name_last(&mut self, name: &str) {
        let name = self.keep(name.as_bytes());
        if let Some(last) = self.list.last_mut() {
            last.name = name;
        }
    }

    /// A name leads nowhere.
    pub(crate) fn note_nowhere(&mut self) {
        self.name_leads_nowhere = true;
    }

    /// Whether a name was known to lead nowhere.
    pub(crate) fn name_leads_nowhere(&self) -> bool {
        self.name_leads_nowhere
    }

    /// The names that must be looked up first.
    pub(crate) fn take_names(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.names)
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
        let is_sips = is_sips(binding.contact);
        let is_safe = flow.transport.is_secure();
        if secure && !(is_sips && is_safe) {
            return Err(NoHop::Insecure);
        }
        if is_sips && !is_safe {
            return Err(NoHop::SecureOnly);
        }
        let uri = self.keep_contact(binding.contact, secure);
        let path = self.keep(binding.path);
        let is_flow = binding.reg_id != 0 || binding.flow.nat || flow.transport.is_reliable();
        self.list.push(Target {
            uri: Some(uri),
            path,
            q_milli: binding.q_milli,
            pinned: binding.path.is_empty() && is_flow,
            registered: true,
            device: device(binding.instance),
            registered_at_ms: binding.registered_at_ms,
            ..Target::at(flow)
        });
        Ok(())
    }

    /// A Contact as Request-URI: one of `sips` gets the scheme `sip` where that was asked for.
    fn keep_contact(&mut self, contact: &[u8], secure: bool) -> Range<usize> {
        if secure || !is_sips(contact) {
            return self.keep(contact);
        }
        let start = self.keep(b"sip").start;
        start..self.keep(contact.get(4..).unwrap_or_default()).end
    }

    fn keep(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        start..self.texts.len()
    }

    /// One way to each device, the one it registered last; the others are kept for when it fails. RFC 5626 §7: "MUST NOT
    /// populate the target set with more than one contact with the same AOR and instance-id at a time".
    fn one_way_to_each_device(&mut self) {
        let mut at = 0;
        while let Some(device) = self.list.get(at).map(|target| target.device) {
            let before = self.list[..at].iter().position(|t| device != 0 && t.device == device);
            let Some(before) = before else {
                at += 1;
                continue;
            };
            if self.list[at].registered_at_ms > self.list[before].registered_at_ms {
                self.list.swap(at, before);
            }
            let spare = self.list.remove(at);
            let place = self.spares.partition_point(|s| s.registered_at_ms <= spare.registered_at_ms);
            self.spares.insert(place, spare);
        }
    }

    /// Whether there is another way to any device.
    pub(crate) fn has_spares(&self) -> bool {
        !self.spares.is_empty()
    }

    /// Whether there is another way to this device.
    pub(crate) fn has_spare(&self, device: u32) -> bool {
        device != 0 && self.spares.iter().any(|spare| spare.device == device)
    }

    /// Takes the next best way to a device.
    pub(crate) fn take_spare(&mut self, device: u32) -> Option<Target> {
        let place = self.spares.iter().rposition(|spare| device != 0 && spare.device == device)?;
        Some(self.spares.remove(place))
    }

    /// The preferred ones first, at most `max` of them.
    pub(crate) fn order(&mut self, max: usize) {
        self.one_way_to_each_device();
        if self.list.len() > 1 {
            // Stable: among equals the one registered first stays first.
            self.list.sort_by_key(|t| std::cmp::Reverse(t.turn()));
        }
        self.list.truncate(max);
    }

    /// Another order of turns: targets whose place gives the same number ring together, lower ones first.
    pub(crate) fn rank(&mut self, turn: impl Fn(usize) -> usize) {
        for (place, target) in self.list.iter_mut().enumerate() {
            let behind = u16::try_from(turn(place)).unwrap_or(u16::MAX);
            (target.q_milli, target.wanted_milli) = (1000_u16.saturating_sub(behind), INDIFFERENT_MILLI);
        }
    }

    /// Leaves only the most preferred target, with the other ways to its device.
    pub(crate) fn keep_first(&mut self) {
        self.list.truncate(1);
    }

    /// Gives a Request-URI to those that would keep the received one.
    pub(crate) fn address_all(&mut self, uri: &[u8]) {
        let uri = self.keep(uri);
        for target in self.list.iter_mut().chain(&mut self.spares) {
            target.uri.get_or_insert_with(|| uri.clone());
        }
    }

    /// The Request-URIs of all that do not keep the received one.
    pub(crate) fn uris(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().chain(&self.spares).filter_map(|target| self.texts.get(target.uri.clone()?))
    }

    /// Leaves out those that have been tried, and notes the others.
    pub(crate) fn leave_tried(&mut self, tried: &mut Vec<Vec<u8>>) {
        let texts = &self.texts;
        self.list.retain(|target| {
            let uri = target.uri.clone().and_then(|uri| texts.get(uri)).unwrap_or_default();
            let is_new = !tried.iter().any(|known| known == uri);
            if is_new {
                tried.push(uri.to_vec());
            }
            is_new
        });
    }

    /// Adds the targets of another set, in their order, as those of a contact with this number and q.
    pub(crate) fn append(&mut self, other: &Self, choice: u8, q_milli: u16) {
        let before = self.list.len();
        self.append_as_they_are(other);
        let mut turns = 0;
        let mut last = None;
        for target in self.list.iter_mut().skip(before) {
            turns += u16::from(last.is_some_and(|last| last != target.turn()));
            last = Some(target.turn());
            (target.q_milli, target.wanted_milli) = (q_milli, INDIFFERENT_MILLI.saturating_sub(turns));
            target.choice = choice;
        }
    }

    /// Puts these targets in order, at most `max`, and those that wait already behind them; no turn of the one becomes one
    /// with a turn of the others.
    pub(crate) fn rank_before(&mut self, waiting: &Self, max: usize) {
        self.list.sort_by_key(|target| std::cmp::Reverse(target.turn()));
        self.list.truncate(max);
        let count = self.list.len();
        self.append_as_they_are(waiting);
        self.ring_ms = waiting.ring_ms;
        let (mut turn, mut last) = (0, None);
        let mut turns = Vec::with_capacity(self.list.len());
        for (place, target) in self.list.iter().enumerate() {
            let key = (place < count, target.turn());
            turn += usize::from(last.is_some_and(|last| last != key));
            last = Some(key);
            turns.push(turn);
        }
        self.rank(|place| turns.get(place).copied().unwrap_or(turn));
    }

    fn append_as_they_are(&mut self, other: &Self) {
        let (texts, addresses) = (self.texts.len(), self.addresses.len());
        let moved = |range: &Range<usize>, by: usize| range.start + by..range.end + by;
        let taken = |target: &Target| Target {
            uri: target.uri.as_ref().map(|uri| moved(uri, texts)),
            path: moved(&target.path, texts),
            name: moved(&target.name, texts),
            spare: moved(&target.spare, addresses),
            ..target.clone()
        };
        self.list.extend(other.list.iter().map(taken));
        self.spares.extend(other.spares.iter().map(taken));
        self.texts.extend_from_slice(&other.texts);
        self.addresses.extend_from_slice(&other.addresses);
    }

    /// A rule says how long those of one turn ring.
    pub(crate) fn ring_for(&mut self, ring_s: Option<u32>) {
        self.ring_ms = ring_s.map(|s| s * 1000);
    }

    /// How long they ring, where a rule says so, ms.
    pub(crate) fn ring_ms(&self) -> Option<u32> {
        self.ring_ms
    }

    /// The target that was pushed last.
    pub(crate) fn last_mut(&mut self) -> Option<&mut Target> {
        self.list.last_mut()
    }

    /// How many of the first targets share the highest preference: they ring together.
    pub(crate) fn first_group(&self) -> usize {
        let turn = self.list.first().map(Target::turn);
        self.list.iter().take_while(|t| Some(t.turn()) == turn).count()
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

fn is_sips(contact: &[u8]) -> bool {
    contact.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"))
}

/// Tells devices of one user apart (FNV-1a). Only the user himself could make two of his own collide.
fn device(instance: &[u8]) -> u32 {
    if instance.is_empty() {
        return 0;
    }
    let mix = |hash: u32, c: &u8| (hash ^ u32::from(*c)).wrapping_mul(0x0100_0193);
    instance.iter().fold(0x811c_9dc5, mix).max(1)
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
        connection: connection_of(stored),
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
    if binding.reg_id != 0 {
        // RFC 5626 §7: "the proxy MUST send the request over the same 'logical flow' saved with the binding".
        return (same_listener && is_there).then_some(back);
    }
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
