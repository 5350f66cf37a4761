//! The keeper with a store of its own: what it has promised is there, and everybody gets it once.

use offhook_journal::Journal;
use offhook_store::Store;
use offhook_undelivered::{
    Ask, Filter, Keeper, Limits, NewMessage, NotKept, Office, Outcome, Parcel, Told, list, remove,
};
use tempfile::TempDir;

const NOW_MS: u64 = 1_795_248_903_000;

const LIMITS: Limits = Limits {
    per_recipient_max: 100,
    per_recipient_bytes_max: 1_000,
    per_sender_max: 150,
    messages_max: 200,
    bytes_max: 5_000,
    retry_after_ms: 30_000,
    under_way_max_ms: 40_000,
};

struct Room {
    folder: TempDir,
    office: Office,
    keeper: Keeper,
    now_ms: u64,
    tickets: u64,
}

impl Room {
    fn new() -> Self {
        Self::open(TempDir::new().unwrap(), NOW_MS)
    }

    fn open(folder: TempDir, now_ms: u64) -> Self {
        let office = Office::new(2);
        let keeper =
            Keeper::open(Store::open(folder.path()).unwrap(), office.clone(), LIMITS, now_ms).unwrap();
        Self { folder, office, keeper, now_ms, tickets: 0 }
    }

    fn killed(self) -> Self {
        drop(self.keeper);
        Self::open(self.folder, self.now_ms)
    }

    fn store(&self) -> Store {
        Store::open(self.folder.path()).unwrap()
    }

    fn turn(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        let asks = self.office.take();
        self.keeper.turn(self.now_ms, asks, &mut Journal::silent(), &mut |_, this| told.push(this));
        told
    }

    fn keep(&mut self, aor: &str, request: &str, bytes: usize) -> Result<(), NotKept> {
        self.tickets += 1;
        assert!(self.office.desk(1).keep(self.tickets, message(aor, request, bytes)));
        let kept = self.turn().into_iter().find_map(|told| match told {
            Told::Kept { verdict, ticket } if ticket == self.tickets => Some(verdict),
            _ => None,
        });
        kept.expect("an answer")
    }

    fn registered(&mut self, aor: &str) -> Vec<Parcel> {
        self.office.desk(0).registered(aor.as_bytes());
        parcels(self.turn())
    }

    fn done(&mut self, parcel: &Parcel, outcome: Outcome) -> Vec<Parcel> {
        self.office.desk(0).done(parcel.id, parcel.aor.clone(), outcome);
        parcels(self.turn())
    }
}

fn parcels(told: Vec<Told>) -> Vec<Parcel> {
    let parcel = |told| if let Told::Deliver(parcel) = told { Some(*parcel) } else { None };
    told.into_iter().filter_map(parcel).collect()
}

fn message(aor: &str, request: &str, bytes: usize) -> NewMessage {
    NewMessage {
        aor: aor.as_bytes().into(),
        sender: b"alice@a".as_slice().into(),
        request: request.as_bytes().into(),
        received_ms: NOW_MS,
        expires_at_ms: NOW_MS + 3_600_000,
        failed_at_ms: Some(NOW_MS),
        secure: false,
        content: vec![b'x'; bytes].into(),
    }
}

#[test]
fn what_was_promised_is_there_after_a_kill_and_what_was_delivered_is_not() {
    let mut room = Room::new();
    for request in ["1", "2", "3"] {
        assert_eq!(room.keep("bob@a", request, 10), Ok(()));
    }
    let first = room.registered("bob@a");
    assert_eq!(first.len(), 1, "one at a time");
    let second = room.done(&first[0], Outcome::Delivered);
    assert!(second[0].id > first[0].id);
    let mut room = room.killed();
    assert_eq!(room.keeper.len(), 2);
    assert_eq!(parcels(room.turn()), [], "its connections come back first");
    room.now_ms += 2_000;
    let again = parcels(room.turn());
    assert_eq!(
        again.iter().map(|parcel| parcel.id).collect::<Vec<_>>(),
        [second[0].id],
        "it may be there or not"
    );
    let third = room.done(&again[0], Outcome::Delivered);
    assert_eq!(room.done(&third[0], Outcome::Refused(415)), []);
    assert!(room.keeper.is_empty() && list(&room.store(), &Filter::default()).unwrap().is_empty());
}

#[test]
fn a_request_that_comes_again_is_kept_once() {
    let mut room = Room::new();
    assert_eq!(room.keep("bob@a", "1", 10), Ok(()));
    assert_eq!(room.keep("bob@a", "1", 10), Ok(()));
    assert_eq!(room.keep("carol@a", "1", 10), Ok(()), "for somebody else it is another");
    let mut room = room.killed();
    assert_eq!(room.keep("bob@a", "1", 10), Ok(()));
    assert_eq!(room.keeper.len(), 2);
}

#[test]
fn every_limit_has_its_answer() {
    let mut room = Room::new();
    assert_eq!(room.keep("bob@a", "long", 1_001), Err(NotKept::RecipientFull));
    for n in 0..100 {
        assert_eq!(room.keep("bob@a", &n.to_string(), 10), Ok(()));
    }
    assert_eq!(room.keep("bob@a", "more", 0), Err(NotKept::RecipientFull));
    for n in 0..50 {
        assert_eq!(room.keep("carol@a", &n.to_string(), 10), Ok(()));
    }
    assert_eq!(room.keep("dave@a", "x", 10), Err(NotKept::SenderFull));
    let gone = remove(&room.store(), &Filter { aor: Some(b"bob@a".to_vec()), ..Filter::default() });
    assert_eq!(gone.unwrap(), 100);
    room.now_ms += 1_000;
    room.turn();
    assert_eq!(room.keeper.len(), 50, "what somebody else removes is noticed");
    assert_eq!(room.keep("dave@a", "x", 10), Ok(()));
    assert!(!room.office.desk(0).has_for(b"bob@a") && room.office.desk(0).has_for(b"carol@a"));
}

#[test]
fn a_full_house_says_so() {
    let mut room = Room::new();
    let mut kept = 0;
    for n in 0..6 {
        kept += usize::from(room.keep(&format!("u{n}@a"), "x", 1_000) == Ok(()));
    }
    assert_eq!((kept, room.keep("u9@a", "x", 1)), (5, Err(NotKept::Full)));
}

#[test]
fn the_expired_are_not_delivered() {
    let mut room = Room::new();
    room.keep("bob@a", "1", 10).unwrap();
    room.now_ms += 3_600_000;
    assert_eq!(room.registered("bob@a"), []);
    room.now_ms += 30_000;
    room.turn();
    assert!(room.keeper.is_empty() && !room.office.desk(0).has_for(b"bob@a"));
}

#[test]
fn not_everybody_is_served_at_once() {
    let mut room = Room::new();
    for n in 0..100 {
        room.keep(&format!("u{n}@a"), "x", 1).unwrap();
    }
    (0..100).for_each(|n| room.office.desk(0).registered(format!("u{n}@a").as_bytes()));
    let first = parcels(room.turn());
    assert_eq!(first.len(), 64);
    assert_eq!(room.done(&first[0], Outcome::Delivered).len(), 1, "the next one's turn");
    assert_eq!(room.done(&first[1], Outcome::Absent).len(), 1);
}

#[test]
fn nobody_asks_without_end() {
    let office = Office::new(1);
    let desk = office.desk(0);
    let taken = (0..2_000).filter(|n| desk.keep(*n, message("bob@a", &n.to_string(), 1))).count();
    assert_eq!(taken, 1_024);
    (0..20_000).for_each(|_| desk.registered(b"bob@a"));
    assert_eq!(office.take().len(), 16_384);
    assert!(desk.keep(1, message("bob@a", "x", 1)));
    office.close();
    assert!(!desk.keep(2, message("bob@a", "y", 1)), "nobody is there any more");
    assert!(matches!(&office.take()[..], [Ask::Keep { ticket: 1, .. }]));
}

#[test]
fn a_broken_store_promises_nothing_and_delivers_nothing_twice() {
    let mut room = Room::new();
    room.keep("bob@a", "1", 10).unwrap();
    room.keep("bob@a", "2", 10).unwrap();
    let first = room.registered("bob@a");
    let breaker = room.store();
    let write = |text: &str| {
        breaker.write(|sql| sql.execute(text, []).map(drop).map_err(offhook_store::StoreError::from))
    };
    write("CREATE TRIGGER no BEFORE DELETE ON undelivered BEGIN SELECT RAISE(FAIL, 'broken'); END").unwrap();
    assert_eq!(room.done(&first[0], Outcome::Delivered), [], "it cannot be taken out");
    assert_eq!(room.keep("bob@a", "3", 10), Err(NotKept::Broken));
    write("DROP TRIGGER no").unwrap();
    let next = parcels(room.turn());
    assert!(next.len() == 1 && next[0].id > first[0].id, "{next:?}");
}

/// Each message that a broken store refuses leaves nothing behind; whose turn it was stays as it was.
#[test]
fn what_a_broken_store_refuses_is_forgotten() {
    let mut room = Room::new();
    for aor in ["bob@a", "carol@a"] {
        room.keep(aor, "1", 10).unwrap();
    }
    let first = room.registered("bob@a");
    let breaker = room.store();
    let write = |text: &str| {
        breaker.write(|sql| sql.execute(text, []).map(drop).map_err(offhook_store::StoreError::from))
    };
    write("CREATE TRIGGER no BEFORE DELETE ON undelivered BEGIN SELECT RAISE(FAIL, 'broken'); END").unwrap();
    assert_eq!(room.done(&first[0], Outcome::Delivered), []);
    for n in 0..1_000 {
        let refused = NewMessage { failed_at_ms: None, ..message(&format!("{n}@a"), "1", 10) };
        room.tickets += 1;
        assert!(room.office.desk(1).keep(room.tickets, refused));
        room.turn();
    }
    assert_eq!(room.registered("carol@a"), []);
    let debug = format!("{:?}", room.keeper);
    assert!(!debug.contains(&format!("{:?}", b"999@a".as_slice())), "it remembers what it has refused");
    write("DROP TRIGGER no").unwrap();
    assert_eq!(parcels(room.turn()).len(), 1, "carol's turn has come");
}

/// Who keeps nothing is not woken.
#[test]
fn without_messages_there_is_nothing_to_do() {
    let mut room = Room::new();
    assert_eq!(room.keeper.next_ms(), u64::MAX);
    room.keep("bob@a", "1", 10).unwrap();
    assert!(room.keeper.next_ms() <= room.now_ms + 1_000);
    let parcel = room.registered("bob@a");
    assert_eq!(room.done(&parcel[0], Outcome::Delivered), []);
    assert_eq!(room.keeper.next_ms(), u64::MAX);
}

/// Where timers are longer, so is a delivery. RFC 3261 §17.1.2.2.
#[test]
fn a_delivery_may_take_as_long_as_its_transaction() {
    let mut room = Room::new();
    let limits = Limits { under_way_max_ms: 648_000, ..LIMITS };
    room.keeper = Keeper::open(room.store(), room.office.clone(), limits, room.now_ms).unwrap();
    room.keep("bob@a", "1", 10).unwrap();
    assert_eq!(room.registered("bob@a").len(), 1);
    room.now_ms += 647_999;
    assert_eq!(room.registered("bob@a"), [], "it is still under way");
    room.now_ms += 1;
    room.turn();
    room.now_ms += 30_000;
    assert_eq!(parcels(room.turn()).len(), 1);
}
