//! Nothing that was committed is lost, nothing that was removed comes back: random shards, batches, compactions and
//! crashes against a plain map.

mod world;

use std::collections::BTreeMap;

use offhook_location::{Location, Writer};
use proptest::prelude::*;
use tempfile::TempDir;
use world::{Contacts, all, copy_of, log_of, quiet, set};

const SHARDS: usize = 3;
const AORS: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// A shard gives an address-of-record these contacts; none removes it.
    Update {
        shard: usize,
        aor: u8,
        contacts: Vec<u8>,
    },
    Commit {
        shard: usize,
    },
    Compact,
    /// `kill -9`, then a new process.
    Kill,
    /// The last commit of a shard reaches the disk only up to some byte.
    TearCommit {
        shard: usize,
        at: prop::sample::Index,
    },
    /// The file system leaves noise behind the end of a log.
    Noise {
        shard: usize,
        bytes: Vec<u8>,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let update = (0..SHARDS, 0..AORS, prop::collection::vec(0..9u8, 0..3))
        .prop_map(|(shard, aor, contacts)| Step::Update { shard, aor, contacts });
    let tear =
        (0..SHARDS, any::<prop::sample::Index>()).prop_map(|(shard, at)| Step::TearCommit { shard, at });
    let noise = (0..SHARDS, prop::collection::vec(any::<u8>(), 1..200))
        .prop_map(|(shard, bytes)| Step::Noise { shard, bytes });
    let step = prop_oneof![
        12 => update,
        5 => (0..SHARDS).prop_map(|shard| Step::Commit { shard }),
        1 => Just(Step::Compact),
        1 => Just(Step::Kill),
        1 => tear,
        1 => noise,
    ];
    prop::collection::vec(step, 1..60)
}

type State = BTreeMap<String, Contacts>;

/// The service under test, and what must be true of it.
struct World {
    writers: Vec<Writer>,
    location: Location,
    folder: TempDir,
    /// What was committed.
    committed: State,
    /// What each shard changed since its last commit, in order.
    pending: [Vec<(String, Contacts)>; SHARDS],
}

impl World {
    fn open(folder: TempDir, committed: State) -> Self {
        let location = Location::open(folder.path(), quiet(), 0).unwrap();
        let writers = (0..SHARDS).map(|shard| location.writer(shard as u16).unwrap()).collect();
        let world = Self { writers, location, folder, committed, pending: Default::default() };
        assert_eq!(all(&world.location, 0), world.committed, "after a start");
        world
    }

    fn step(mut self, step: Step) -> Self {
        match step {
            Step::Update { shard, aor, contacts } => self.update(shard, format!("user{aor}@x"), &contacts),
            Step::Commit { shard } => self.commit(shard),
            Step::Compact => {
                self.location.compact().unwrap();
                (0..SHARDS).for_each(|shard| self.is_written(shard)); // a snapshot settles what it sees
            }
            Step::Kill => self = Self::open(copy_of(self.folder.path()), self.committed),
            Step::TearCommit { shard, at } => return self.tear_commit(shard, at),
            Step::Noise { shard, bytes } => {
                let copy = copy_of(self.folder.path());
                let log = log_of(copy.path(), shard as u16);
                std::fs::write(&log, [std::fs::read(&log).unwrap(), bytes].concat()).unwrap();
                self = Self::open(copy, self.committed);
            }
        }
        assert_eq!(all(&self.location, 0), self.visible());
        self
    }

    fn update(&mut self, shard: usize, aor: String, contacts: &[u8]) {
        let contacts: Contacts = contacts.iter().map(|n| (format!("phone{n}"), 1_000)).collect();
        for other in (0..SHARDS).filter(|other| *other != shard) {
            if self.pending[other].iter().any(|(pending, _)| *pending == aor) {
                self.is_written(other); // nobody builds on what may be undone
            }
        }
        set(&mut self.writers[shard], &aor, &contacts).unwrap();
        let nothing_to_remove = contacts.is_empty() && !self.visible().contains_key(&aor);
        if !nothing_to_remove {
            self.pending[shard].push((aor, contacts));
        }
    }

    fn commit(&mut self, shard: usize) {
        self.writers[shard].commit().unwrap();
        self.is_written(shard);
    }

    /// What a shard changed has become durable.
    fn is_written(&mut self, shard: usize) {
        for (aor, contacts) in self.pending[shard].drain(..) {
            apply(&mut self.committed, aor, contacts);
        }
    }

    /// What readers see: all that is committed and pending.
    fn visible(&self) -> State {
        let mut state = self.committed.clone();
        for (aor, contacts) in self.pending.iter().flatten() {
            apply(&mut state, aor.clone(), contacts.clone());
        }
        state
    }

    /// A torn batch leaves its first so many changes, any number of them, and nothing else.
    fn tear_commit(mut self, shard: usize, at: prop::sample::Index) -> Self {
        let log = log_of(self.folder.path(), shard as u16);
        let before = std::fs::metadata(&log).unwrap().len();
        let batch = self.pending[shard].clone();
        let mut possible = vec![self.committed.clone()];
        for (aor, contacts) in batch {
            let mut next = possible.last().unwrap().clone();
            apply(&mut next, aor, contacts);
            possible.push(next);
        }
        self.commit(shard);
        let after = std::fs::metadata(&log).unwrap().len();
        let length = before + at.index((after - before) as usize + 1) as u64;

        let copy = copy_of(self.folder.path());
        let log = log_of(copy.path(), shard as u16);
        std::fs::File::options().write(true).open(log).unwrap().set_len(length).unwrap();
        let found = all(&Location::open_read_only(copy.path(), 0).unwrap(), 0);
        assert!(possible.contains(&found), "{found:?}\nis none of {possible:#?}");
        assert!(length < after || found == self.committed, "nothing was torn");
        Self::open(copy, found)
    }
}

fn apply(state: &mut State, aor: String, contacts: Contacts) {
    if contacts.is_empty() {
        state.remove(&aor);
    } else {
        state.insert(aor, contacts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn the_committed_stays_and_the_removed_is_gone(steps in steps()) {
        let mut world = World::open(world::new_folder(), State::new());
        for step in steps {
            world = world.step(step);
        }
    }
}
