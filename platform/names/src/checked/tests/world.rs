//! Name servers of a world of signed zones, in memory: one that asks all the others, as ours does.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::FutureExt;
use futures_util::stream::{self, Stream};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::{RuntimeProvider, Time, TokioRuntimeProvider};
use hickory_resolver::net::xfer::DnsHandle;
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::sig::SigInput;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{Algorithm, DigestType, PublicKeyBuf, SigningKey, TBS, TrustAnchors};
use hickory_resolver::proto::op::{DnsRequest, DnsResponse, Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{NS, SOA};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

const TTL_S: u32 = 300;

pub(super) struct Key {
    pub public: DNSKEY,
    pub tag: u16,
    private: Box<dyn SigningKey>,
}

impl Key {
    fn new(is_upper: bool) -> Self {
        let der = Ed25519SigningKey::generate_pkcs8().expect("entropy");
        let private = Ed25519SigningKey::from_pkcs8(&der).expect("a key");
        let public = DNSKEY::new(true, is_upper, false, private.to_public_key().expect("a key"));
        Self { tag: public.calculate_key_tag().expect("a tag"), public, private: Box::new(private) }
    }

    fn sign(&self, zone: &Name, set: &[Record]) -> Record {
        let first = &set[0];
        let now = <TokioRuntimeProvider as RuntimeProvider>::Timer::current_time() as u32;
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: self.private.algorithm(),
            num_labels: first.name.num_labels(),
            original_ttl: TTL_S,
            sig_expiration: SerialNumber::new(now + 3_600),
            sig_inception: SerialNumber::new(now - 3_600),
            key_tag: self.tag,
            signer_name: zone.clone(),
        };
        let signed = TBS::from_input(&first.name, DNSClass::IN, &input, set.iter()).expect("a set");
        let signature = RRSIG::from_sig(input, self.private.sign(&signed).expect("a signature"));
        record(&first.name, RData::DNSSEC(DNSSECRData::RRSIG(signature)))
    }
}

/// What a zone that means ill does to its answers.
pub(super) type Spoil = fn(&Zone, &Query, &mut Message);

pub(super) struct Zone {
    pub name: Name,
    /// Each signs everything, and the zone above vouches for each; none: it is not signed.
    pub keys: Vec<Key>,
    records: Vec<Record>,
    spoil: Option<Spoil>,
}

impl Zone {
    pub(super) fn new(at: &str, keys: usize, records: &[(&str, RData)]) -> Self {
        let at = name(at);
        let mut all = vec![record(&at, soa()), record(&at, RData::NS(NS(name("ns.test"))))];
        all.extend(records.iter().map(|(owner, data)| record(&name(owner), data.clone())));
        let keys: Vec<Key> = (0..keys).map(|n| Key::new(n % 2 == 0)).collect();
        let of = |key: &Key| record(&at, RData::DNSSEC(DNSSECRData::DNSKEY(key.public.clone())));
        all.extend(keys.iter().map(of));
        Self { name: at, keys, records: all, spoil: None }
    }

    pub(super) fn spoilt(self, spoil: Spoil) -> Self {
        Self { spoil: Some(spoil), ..self }
    }

    /// Keys that sign nothing.
    pub(super) fn with_keys(mut self, keys: impl IntoIterator<Item = DNSKEY>) -> Self {
        let of = |key| record(&self.name, RData::DNSSEC(DNSSECRData::DNSKEY(key)));
        self.records.extend(keys.into_iter().map(of));
        self
    }

    pub(super) fn set(&self, at: &Name, kind: RecordType) -> Vec<Record> {
        self.records.iter().filter(|one| one.name == *at && one.record_type() == kind).cloned().collect()
    }

    pub(super) fn signed(&self, set: Vec<Record>) -> Vec<Record> {
        let signatures: Vec<Record> = self.keys.iter().map(|key| key.sign(&self.name, &set)).collect();
        set.into_iter().chain(signatures).collect()
    }

    fn answer(&self, query: &Query, message: &mut Message) {
        let at = query.name();
        let own = [query.query_type(), RecordType::CNAME].map(|kind| self.set(at, kind));
        let above = self.records.iter().filter(|one| one.name.zone_of(at) && one.name != *at);
        let above = above.filter(|one| one.record_type() == RecordType::DNAME).cloned().collect();
        if let Some(set) = own.into_iter().chain([above]).find(|set| !set.is_empty()) {
            message.add_answers(self.signed(set));
            return;
        }
        message.add_authorities(self.signed(self.set(&self.name, RecordType::SOA)));
        if !self.keys.is_empty() {
            let types: HashSet<RecordType> =
                self.records.iter().filter(|one| one.name == *at).map(Record::record_type).collect();
            let next = at.prepend_label(&b"\0"[..]).expect("a name");
            let nsec = NSEC::new_cover_self(next, types);
            message.add_authorities(self.signed(vec![record(at, RData::DNSSEC(DNSSECRData::NSEC(nsec)))]));
        }
    }
}

/// The servers, and how much they were asked.
#[derive(Clone)]
pub(super) struct World {
    zones: Arc<Vec<Zone>>,
    asked: Arc<AtomicUsize>,
}

impl World {
    /// The zones from the root down; each is vouched for by the one above it.
    pub(super) fn new(mut zones: Vec<Zone>) -> Self {
        for lower in 1..zones.len() {
            let (at, digests) = (zones[lower].name.clone(), digests(&zones[lower]));
            let upper = (0..lower).filter(|&upper| zones[upper].name.zone_of(&at));
            let upper = upper.max_by_key(|&upper| zones[upper].name.num_labels()).expect("the root");
            zones[upper].records.push(record(&at, RData::NS(NS(name("ns.test")))));
            zones[upper].records.extend(digests);
        }
        Self { zones: Arc::new(zones), asked: Arc::default() }
    }

    /// The keys of the root.
    pub(super) fn anchors(&self) -> Arc<TrustAnchors> {
        let mut anchors = TrustAnchors::empty();
        for zone in self.zones.iter().filter(|zone| zone.name.is_root()) {
            zone.keys.iter().for_each(|key| _ = anchors.insert(key.public.public_key()));
        }
        Arc::new(anchors)
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    fn answer(&self, query: &Query) -> DnsResponse {
        let is_above = |zone: &&Zone| {
            zone.name.zone_of(query.name())
                && (query.query_type() != RecordType::DS || zone.name != *query.name() || zone.name.is_root())
        };
        let zone =
            self.zones.iter().filter(is_above).max_by_key(|zone| zone.name.num_labels()).expect("the root");
        let mut message = Message::query();
        message.add_query(query.clone());
        message.metadata.response_code = ResponseCode::NoError;
        zone.answer(query, &mut message);
        if let Some(spoil) = zone.spoil {
            spoil(zone, query, &mut message);
        }
        DnsResponse::from_message(message.into_response()).expect("a message")
    }
}

fn digests(zone: &Zone) -> Vec<Record> {
    let digest = |one: Record| {
        let RData::DNSSEC(DNSSECRData::DNSKEY(key)) = one.data else { return None };
        let digest = key.to_digest(&zone.name, DigestType::SHA256).expect("a digest");
        let tag = key.calculate_key_tag().expect("a tag");
        let ds = DS::new(
            tag,
            hickory_resolver::proto::dnssec::PublicKey::algorithm(key.public_key()),
            DigestType::SHA256,
            digest.as_ref().to_vec(),
        );
        Some(record(&zone.name, RData::DNSSEC(DNSSECRData::DS(ds))))
    };
    zone.set(&zone.name, RecordType::DNSKEY).into_iter().filter_map(digest).collect()
}

impl DnsHandle for World {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    /// An answer comes later, so others have their turn.
    fn send(&self, request: DnsRequest) -> Self::Response {
        let world = self.clone();
        let answer = async move {
            tokio::task::yield_now().await;
            let query = request.queries[0].clone();
            world.asked.fetch_add(1, Relaxed);
            Ok(world.answer(&query))
        };
        Box::pin(stream::once(answer.boxed()))
    }
}

pub(super) fn soa() -> RData {
    RData::SOA(SOA::new(name("ns.test"), name("hostmaster.test"), 1, 3_600, 600, 86_400, TTL_S))
}

pub(super) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("a name");
    name.set_fqdn(true);
    name
}

pub(super) fn record(at: &Name, data: RData) -> Record {
    Record::from_rdata(at.clone(), TTL_S, data)
}

/// A key of RSA that is slow to use, whose tag is this.
pub(super) fn slow_key(nth: u8, tag: u16) -> DNSKEY {
    // RFC 3110 §2: the exponent, 2^32+1, with its length before it; then the modulus of 4096 bits.
    let mut bytes = vec![5, 1, 0, 0, 0, 1];
    bytes.extend(
        (0..512_u32).map(|at| (at.wrapping_mul(167).wrapping_add(u32::from(nth) * 59) >> 2) as u8 | 0x81),
    );
    let key = |bytes: &[u8]| {
        DNSKEY::new(true, false, false, PublicKeyBuf::new(bytes.to_vec(), Algorithm::RSASHA256))
    };
    let tag_of = |bytes: &[u8]| key(bytes).calculate_key_tag().expect("a tag");
    // RFC 4034 appendix B: the tag is a sum of pairs of bytes, and what it carries over.
    while tag_of(&bytes) != tag {
        let pair = u16::from_be_bytes([bytes[100], bytes[101]]);
        let pair = pair.wrapping_add(tag.wrapping_sub(tag_of(&bytes)));
        bytes[100..102].copy_from_slice(&pair.to_be_bytes());
    }
    key(&bytes)
}

/// Signatures of a set that fit nothing.
pub(super) fn wrong_signatures(
    signer: &Name,
    set: &Record,
    tags: impl IntoIterator<Item = u16>,
) -> Vec<Record> {
    let now = <TokioRuntimeProvider as RuntimeProvider>::Timer::current_time() as u32;
    let wrong = |(nth, key_tag): (usize, u16)| {
        let input = SigInput {
            type_covered: set.record_type(),
            algorithm: Algorithm::RSASHA256,
            num_labels: set.name.num_labels(),
            original_ttl: TTL_S,
            sig_expiration: SerialNumber::new(now + 3_600),
            sig_inception: SerialNumber::new(now - 3_600),
            key_tag,
            signer_name: signer.clone(),
        };
        record(&set.name, RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, vec![nth as u8 + 1; 512]))))
    };
    tags.into_iter().enumerate().map(wrong).collect()
}
