//! What shards see of each other's registrations, without any file.

mod world;

use offhook_location::{Binding, Change, Limits, Location, LocationError, StoredFlow};
use world::{all, contacts, get, set};

const ALICE: &str = "alice@example.org";

fn in_memory() -> Location {
    Location::in_memory(Limits::default())
}

#[test]
fn what_one_shard_writes_another_reads() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    let desk_and_mobile = contacts(&[("sip:alice@desk", 3_600_000), ("sip:alice@mobile", 60_000)]);
    set(&mut writer, ALICE, &desk_and_mobile).unwrap();
    writer.commit().unwrap();
    assert_eq!(get(&location, ALICE, 0), desk_and_mobile);
    assert_eq!(get(&location, "bob@example.org", 0), []);
    assert_eq!(location.count(), 2);
}

#[test]
fn every_field_comes_back() {
    let location = in_memory();
    let binding = Binding {
        contact: b"sip:alice@192.0.2.7:40000;transport=tcp",
        params: b";audio;video",
        path: b"<sip:edge.example.org;lr>",
        instance: b"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>",
        reg_id: 1,
        call_id: b"a84b4c76e66710",
        cseq: 314_159,
        q_milli: 500,
        expires_at_ms: 5_000,
        registered_at_ms: 1_000,
        began_at_ms: 500,
        flow: StoredFlow {
            transport: offhook_sip::Transport::Tcp,
            listener: 1,
            connection_index: 7,
            connection_generation: 2,
            remote: "192.0.2.7:40000".parse().unwrap(),
            nat: true,
        },
        user_agent: b"Desk Phone/1.2",
    };
    let mut writer = location.writer(0).unwrap();
    let pushed = writer.update(ALICE.as_bytes(), 1_000, |have, new| {
        assert!(have.is_empty());
        new.push(&binding);
        (Change::Replace, new.len())
    });
    assert_eq!(pushed.unwrap(), 1);
    location.read(ALICE.as_bytes(), 1_000, |mut bindings| assert_eq!(bindings.next(), Some(binding)));
}

#[test]
fn a_refresh_may_carry_over_what_it_read() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    set(&mut writer, ALICE, &contacts(&[("desk", 100), ("mobile", 200)])).unwrap();
    let refresh = writer.update(ALICE.as_bytes(), 0, |have, new| {
        for binding in have {
            let end = if binding.contact == b"desk" { 300 } else { binding.expires_at_ms };
            new.push(&Binding { expires_at_ms: end, ..binding });
        }
        (Change::Replace, ())
    });
    refresh.unwrap();
    assert_eq!(get(&location, ALICE, 0), contacts(&[("desk", 300), ("mobile", 200)]));
}

#[test]
fn keep_changes_nothing_whatever_was_pushed() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    let result = writer.update(ALICE.as_bytes(), 0, |_, new| {
        new.push(&Binding { expires_at_ms: 9, ..Binding::default() });
        (Change::Keep, "refused")
    });
    assert_eq!((result.unwrap(), location.count()), ("refused", 0));
}

#[test]
fn an_expired_binding_is_gone_at_once_and_its_memory_later() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    set(&mut writer, ALICE, &contacts(&[("desk", 1_000), ("mobile", 2_000)])).unwrap();
    writer.commit().unwrap();
    assert_eq!(get(&location, ALICE, 999).len(), 2);
    assert_eq!(get(&location, ALICE, 1_000), contacts(&[("mobile", 2_000)]));
    assert_eq!(location.count(), 2);

    let mut gone = Vec::new();
    let mut expire = |now_ms| {
        let round = location.stripes();
        writer.expire(now_ms, round, |aor, b| gone.push((aor.to_vec(), b.contact.to_vec()))).unwrap()
    };
    assert_eq!((expire(1_000), expire(1_000), expire(2_000)), (1, 0, 1));
    assert_eq!(gone, [(ALICE.into(), b"desk".to_vec()), (ALICE.into(), b"mobile".to_vec())]);
    assert_eq!((location.count(), all(&location, 0).len()), (0, 0));
}

#[test]
fn what_is_not_committed_is_not_swept() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    set(&mut writer, ALICE, &contacts(&[("desk", 1_000)])).unwrap();
    let mut other = location.writer(1).unwrap();
    assert_eq!(other.expire(1_000, location.stripes(), |_, _| ()).unwrap(), 0);
    writer.commit().unwrap();
    assert_eq!(other.expire(1_000, location.stripes(), |_, _| ()).unwrap(), 1);
}

#[test]
fn a_dropped_writer_leaves_nothing_uncommitted() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    set(&mut writer, ALICE, &contacts(&[("desk", 1)])).unwrap();
    writer.commit().unwrap();
    set(&mut writer, ALICE, &contacts(&[])).unwrap();
    set(&mut writer, "bob@example.org", &contacts(&[("desk", 1)])).unwrap();
    drop(writer);
    assert_eq!(all(&location, 0), [(ALICE.to_string(), contacts(&[("desk", 1)]))].into());
}

#[test]
fn the_bound_on_one_address_of_record_holds() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    let ten: world::Contacts = (0..10).map(|n| (format!("phone{n}"), 1)).collect();
    let eleven: world::Contacts = (0..11).map(|n| (format!("phone{n}"), 1)).collect();
    set(&mut writer, ALICE, &ten).unwrap();
    let refused = set(&mut writer, ALICE, &eleven);
    assert!(matches!(refused, Err(LocationError::TooManyBindings { max: 10 })), "{refused:?}");
    assert_eq!(get(&location, ALICE, 0), ten);
}

#[test]
fn a_full_table_refuses_more_but_refreshes() {
    let location = Location::in_memory(Limits { bindings_max: 2, ..Limits::default() });
    let mut writer = location.writer(0).unwrap();
    let (one, other) = (contacts(&[("desk", 10)]), contacts(&[("desk", 20)]));
    set(&mut writer, "a@x", &one).unwrap();
    set(&mut writer, "b@x", &one).unwrap();
    assert!(matches!(set(&mut writer, "c@x", &one), Err(LocationError::Full { max: 2 })));
    set(&mut writer, "b@x", &other).unwrap();
    set(&mut writer, "a@x", &contacts(&[])).unwrap();
    set(&mut writer, "c@x", &one).unwrap();
    assert_eq!(location.count(), 2);
}

#[test]
fn a_long_record_is_refused() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    let long = vec![("x".repeat(16 * 1024), 1)];
    assert!(matches!(set(&mut writer, ALICE, &long), Err(LocationError::RecordTooLong { max: 16_384 })));
    let long_name = "x".repeat(16 * 1024);
    assert!(matches!(
        set(&mut writer, &long_name, &contacts(&[("desk", 1)])),
        Err(LocationError::RecordTooLong { .. })
    ));
    assert_eq!(location.count(), 0);
}

#[test]
fn a_caller_who_never_commits_is_stopped() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    let large = vec![("x".repeat(16_000), 1)];
    let refused = (0..1_000).find_map(|n| set(&mut writer, &format!("user{n}@x"), &large).err());
    assert!(matches!(refused, Some(LocationError::PendingFull { .. })), "{refused:?}");
    writer.commit().unwrap();
    set(&mut writer, ALICE, &large).unwrap();
}

#[test]
fn a_shard_has_one_writer_at_a_time() {
    let location = Location::in_memory(Limits { shards_max: 2, ..Limits::default() });
    let writer = location.writer(1).unwrap();
    assert_eq!(writer.shard(), 1);
    assert!(matches!(location.writer(1), Err(LocationError::ShardTaken { shard: 1 })));
    assert!(matches!(location.writer(2), Err(LocationError::UnknownShard { shard: 2, max: 2 })));
    drop(writer);
    location.writer(1).unwrap();
}

#[test]
fn a_panic_while_deciding_ends_that_decision_only() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    set(&mut writer, ALICE, &contacts(&[("desk", 1)])).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        writer.update::<()>(ALICE.as_bytes(), 0, |_, _| panic!("a bug in the registrar"))
    }));
    assert!(panicked.is_err());
    set(&mut writer, ALICE, &contacts(&[("mobile", 1)])).unwrap();
    writer.commit().unwrap();
    assert_eq!(get(&location, ALICE, 0), contacts(&[("mobile", 1)]));
}

#[test]
fn removals_leave_nothing_in_memory() {
    let location = Location::in_memory(Limits { bindings_max: 1_000, ..Limits::default() });
    let mut writer = location.writer(0).unwrap();
    let empty = location.memory();
    for n in 0..1_000 {
        let aor = format!("user{n}@x");
        set(&mut writer, &aor, &contacts(&[("desk", 1)])).unwrap();
        set(&mut writer, &aor, &contacts(&[])).unwrap();
        writer.commit().unwrap();
    }
    let grown = location.memory() - empty;
    assert!(grown <= location.stripes() * 256, "{grown} bytes: more than the smallest tables");
}

#[test]
fn two_services_in_memory_behave_alike() {
    let order = || {
        let location = in_memory();
        let mut writer = location.writer(0).unwrap();
        (0..500).for_each(|n| set(&mut writer, &format!("user{n}@x"), &contacts(&[("desk", 1)])).unwrap());
        let mut order = Vec::new();
        location.dump(0, |aor, _| order.push(aor.to_vec()));
        order
    };
    assert_eq!(order(), order());
}

#[test]
fn memory_of_a_typical_binding_is_within_the_goal() {
    let location = in_memory();
    let mut writer = location.writer(0).unwrap();
    for n in 0..20_000 {
        let aor = format!("user{n:07}@example.org"); // 23 bytes
        let contact = format!("sip:user{n:07}@192.0.2.17:5060;transport=udp");
        let binding = Binding {
            contact: contact.as_bytes(),
            call_id: b"3848276298220188511a84b4c76e6671@pc33.ex",
            cseq: 1_000,
            expires_at_ms: 1_800_000_000_000,
            registered_at_ms: 1_799_996_400_000,
            user_agent: b"Example Desk Phone 1.2.3 (4567)",
            ..Binding::default()
        };
        let push = writer.update(aor.as_bytes(), 0, |_, new| (Change::Replace, new.push(&binding)));
        push.unwrap();
        if n % 64 == 0 {
            writer.commit().unwrap();
        }
    }
    let per_binding = location.memory() / location.count();
    assert!(per_binding <= 300, "{per_binding} bytes per binding");
}
