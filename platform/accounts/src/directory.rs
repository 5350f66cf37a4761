//! All credentials in memory, for lookups that wait for nobody.
//!
//! ```text
//!   hash of "alice@example.com" = 0x3fa…   upper bits ─► one of 4096 buckets, each behind an Arc
//!                                          all bits   ─► its place among that bucket's sorted hashes
//! ```
//!
//! A directory never changes. An [`Edit`] makes the next one: it copies the buckets it touches (244 accounts each,
//! with a million in all) and shares the others.
//!
//! A bucket is four columns without gaps, since at a million accounts everything per account counts: 8 bytes of
//! hash, 4 of position, 83 of digests, and the name.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::alias::Aliases;
use crate::name::Name;
use crate::number::plain;
use crate::{Credential, DOMAIN_LEN_MAX, USER_LEN_MAX};

/// How many bits of a hash choose the bucket.
const BUCKET_BITS: u32 = 12;

/// The accounts at one moment.
#[derive(Clone)]
pub struct Directory {
    hasher: RandomState,
    buckets: Box<[Arc<Bucket>]>,
    len: usize,
    aliases: Aliases,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let empty = Arc::new(Bucket::default());
        let buckets = vec![empty; 1 << BUCKET_BITS].into();
        Self { hasher: RandomState::default(), buckets, len: 0, aliases: Aliases::default() }
    }

    /// A directory without a store: accounts by user, domain and password. For simulations.
    pub fn of_passwords<'p>(accounts: impl IntoIterator<Item = (&'p str, &'p str, &'p str)>) -> Self {
        let base = Self::new();
        let mut edit = Edit::of(&base);
        for (user, domain, password) in accounts {
            if let Ok(name) = Name::new(user, domain) {
                let credential = Credential::from_password(&name, password);
                edit.put(name.user.as_bytes(), name.domain.as_bytes(), credential);
            }
        }
        edit.finish()
    }

    /// The credential of an account. The user is compared exactly, the domain in any case of letters. Allocates
    /// nothing.
    pub fn find(&self, user: &[u8], domain: &[u8]) -> Option<&Credential> {
        self.find_or_another(user, domain).filter(|(_, is_it)| *is_it).map(|(credential, _)| credential)
    }

    /// The credential of an account and `true`; where there is no such account, that of another one and `false`: something
    /// to be looked at for as long, in memory that is as far away. `None`: there is none near.
    pub fn find_or_another(&self, user: &[u8], domain: &[u8]) -> Option<(&Credential, bool)> {
        let key = Key::new(user, domain)?;
        let hash = self.hasher.hash_one(key.as_bytes());
        self.buckets.get(bucket_index(hash))?.find(hash, key.as_bytes())
    }

    /// The user part of the account that has this other name, however a number is spelled. Costs nothing where there are no
    /// other names.
    #[inline]
    pub fn user_of_alias(&self, alias: &[u8], domain: &[u8]) -> Option<&[u8]> {
        if self.aliases.is_empty() {
            return None;
        }
        self.aliases.get(Key::new(&plain(alias), domain)?.as_bytes()).map(|user| &**user)
    }

    /// The same with these aliases: alias, domain, user. For simulations.
    pub fn with_aliases<'p>(
        mut self,
        aliases: impl IntoIterator<Item = (&'p str, &'p str, &'p str)>,
    ) -> Self {
        let entry = |(alias, domain, user): (&str, &str, &str)| {
            ([&*plain(alias.as_bytes()), b"@", domain.as_bytes()].concat().into(), user.as_bytes().into())
        };
        self.aliases = Arc::new(aliases.into_iter().map(entry).collect());
        self
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that it occupies, for the operator to know.
    pub fn memory_bytes(&self) -> usize {
        let buckets: usize = self.buckets.iter().map(|bucket| bucket.memory_bytes()).sum();
        buckets + size_of_val(&*self.buckets)
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The next directory in the making.
pub(crate) struct Edit {
    base: Directory,
    drafts: HashMap<usize, Draft, foldhash::fast::RandomState>,
}

impl Edit {
    pub(crate) fn of(base: &Directory) -> Self {
        Self { base: base.clone(), drafts: HashMap::default() }
    }

    /// Adds an account or replaces its credential.
    pub(crate) fn put(&mut self, user: &[u8], domain: &[u8], credential: Credential) {
        // A name that is too long cannot have been stored by us, and could not be asked for.
        let Some(key) = Key::new(user, domain) else { return };
        let (hash, draft) = self.draft(&key);
        draft.push(hash, key.as_bytes(), Some(credential));
    }

    pub(crate) fn remove(&mut self, user: &[u8], domain: &[u8]) {
        let Some(key) = Key::new(user, domain) else { return };
        let (hash, draft) = self.draft(&key);
        draft.push(hash, key.as_bytes(), None);
    }

    pub(crate) fn set_aliases(&mut self, aliases: Aliases) {
        self.base.aliases = aliases;
    }

    pub(crate) fn finish(self) -> Directory {
        let mut directory = self.base;
        for (index, draft) in self.drafts {
            if let Some(bucket) = directory.buckets.get_mut(index) {
                let next = draft.freeze();
                directory.len = directory.len + next.hashes.len() - bucket.hashes.len();
                *bucket = Arc::new(next);
            }
        }
        directory
    }

    fn draft(&mut self, key: &Key) -> (u64, &mut Draft) {
        let hash = self.base.hasher.hash_one(key.as_bytes());
        let index = bucket_index(hash);
        let bucket = self.base.buckets.get(index);
        let draft =
            self.drafts.entry(index).or_insert_with(|| bucket.map(|old| old.thaw()).unwrap_or_default());
        (hash, draft)
    }
}

/// `user@domain` with the domain in lower case, on the stack. Neither part of a stored name has an `@`.
struct Key {
    room: [u8; USER_LEN_MAX + 1 + DOMAIN_LEN_MAX],
    len: usize,
}

impl Key {
    /// `None` if no account can have that name.
    fn new(user: &[u8], domain: &[u8]) -> Option<Self> {
        let mut key = Self { room: [0; _], len: user.len().checked_add(domain.len())?.checked_add(1)? };
        let (user_room, rest) = key.room.get_mut(..key.len)?.split_at_mut_checked(user.len())?;
        let (at, domain_room) = rest.split_first_mut()?;
        user_room.copy_from_slice(user);
        *at = b'@';
        domain_room.copy_from_slice(domain);
        domain_room.make_ascii_lowercase();
        Some(key)
    }

    fn as_bytes(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }
}

fn bucket_index(hash: u64) -> usize {
    // At most 12 bits are left.
    (hash >> (u64::BITS - BUCKET_BITS)) as usize
}

/// Accounts sorted by hash. The columns are equally long; `ends[i]` is where name `i` ends in `names`.
#[derive(Default)]
struct Bucket {
    hashes: Box<[u64]>,
    ends: Box<[u32]>,
    names: Box<[u8]>,
    credentials: Box<[Credential]>,
}

impl Bucket {
    fn find(&self, hash: u64, name: &[u8]) -> Option<(&Credential, bool)> {
        let first = self.first_not_below(hash);
        let same = self.hashes.get(first..)?.iter().take_while(|known| **known == hash).count();
        // One name is compared where there is none to be found, too: the clock shall not tell.
        let is_it = |index: &usize| (self.hashes.get(*index) == Some(&hash)) & (self.name(*index) == name);
        let found = (first..first + same.max(1)).find(is_it);
        let index = found.unwrap_or(first).min(self.credentials.len().checked_sub(1)?);
        Some((self.credentials.get(index)?, found.is_some()))
    }

    /// Begins where the hash would stand if all were evenly spread, and walks from there: a few steps within one or
    /// two cache lines, where halving would touch eight.
    fn first_not_below(&self, hash: u64) -> usize {
        let spread = u128::from(hash << BUCKET_BITS) * self.hashes.len() as u128;
        // Less than the number of hashes.
        let guess = (spread >> u64::BITS) as usize;
        let (before, after) = self.hashes.split_at_checked(guess).unwrap_or_default();
        match before.iter().rev().take_while(|known| **known >= hash).count() {
            0 => guess + after.iter().take_while(|known| **known < hash).count(),
            back => guess - back,
        }
    }

    fn name(&self, index: usize) -> &[u8] {
        let end = |index| self.ends.get(index).map(|end| *end as usize);
        let start = index.checked_sub(1).map_or(Some(0), end);
        start.zip(end(index)).and_then(|(start, end)| self.names.get(start..end)).unwrap_or_default()
    }

    fn thaw(&self) -> Draft {
        let mut draft = Draft::default();
        for (index, (hash, credential)) in self.hashes.iter().zip(&self.credentials).enumerate() {
            draft.push(*hash, self.name(index), Some(*credential));
        }
        draft
    }

    fn memory_bytes(&self) -> usize {
        size_of_val(self)
            + size_of_val(&*self.hashes)
            + size_of_val(&*self.ends)
            + size_of_val(&*self.names)
            + size_of_val(&*self.credentials)
    }
}

/// A bucket in the making: everything that was ever said about its names, in that order.
#[derive(Default)]
struct Draft {
    entries: Vec<Entry>,
    names: Vec<u8>,
}

struct Entry {
    hash: u64,
    name_start: usize,
    name_end: usize,
    /// `None` says that the account is gone.
    credential: Option<Credential>,
}

impl Draft {
    fn push(&mut self, hash: u64, name: &[u8], credential: Option<Credential>) {
        let name_start = self.names.len();
        self.names.extend_from_slice(name);
        self.entries.push(Entry { hash, name_start, name_end: self.names.len(), credential });
    }

    fn freeze(mut self) -> Bucket {
        // Stable: of entries with the same name the last one counts.
        self.entries.sort_by_key(|entry| entry.hash);
        let valid: Vec<(&Entry, &[u8], Credential)> = (1..)
            .zip(&self.entries)
            .filter(|(next, entry)| !self.is_said_again(*next, entry))
            .filter_map(|(_, entry)| Some((entry, self.name(entry), entry.credential?)))
            .collect();

        let mut names = Vec::with_capacity(valid.iter().map(|(_, name, _)| name.len()).sum());
        let mut ends = Vec::with_capacity(valid.len());
        for (_, name, _) in &valid {
            names.extend_from_slice(name);
            ends.push(
                u32::try_from(names.len())
                    .expect("4 GiB of names in one of 4096 buckets do not fit in memory"),
            );
        }
        Bucket {
            hashes: valid.iter().map(|(entry, _, _)| entry.hash).collect(),
            ends: ends.into(),
            names: names.into(),
            credentials: valid.iter().map(|(_, _, credential)| *credential).collect(),
        }
    }

    /// Whether an entry from `next` on has the same name.
    fn is_said_again(&self, next: usize, entry: &Entry) -> bool {
        let behind = self.entries.get(next..).unwrap_or_default();
        behind
            .iter()
            .take_while(|other| other.hash == entry.hash)
            .any(|other| self.name(other) == self.name(entry))
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        self.names.get(entry.name_start..entry.name_end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(byte: u8) -> Credential {
        Credential { md5: Some([byte; 16]), sha256: Some([byte; 32]), sha512_256: Some([byte; 32]) }
    }

    fn user(number: usize) -> String {
        format!("user{number}")
    }

    /// `count` accounts, each with the lower byte of its number as digest.
    fn filled(count: usize) -> Directory {
        let mut edit = Edit::of(&Directory::new());
        for number in 0..count {
            edit.put(user(number).as_bytes(), b"example.com", credential(number as u8));
        }
        edit.finish()
    }

    #[test]
    fn each_is_found_with_its_own_credential() {
        let directory = filled(20_000);
        assert_eq!(directory.len(), 20_000);
        for number in 0..20_000 {
            assert_eq!(
                directory.find(user(number).as_bytes(), b"Example.COM"),
                Some(&credential(number as u8))
            );
        }
        assert_eq!(directory.find(b"user20000", b"example.com"), None);
    }

    #[test]
    fn users_are_exact_and_parts_do_not_run_together() {
        let directory = filled(2);
        for (user, domain) in [
            ("USER1", "example.com"),
            ("user1", "example.co"),
            ("user", "1@example.com"),
            ("user1@example.com", ""),
            ("", ""),
        ] {
            assert_eq!(directory.find(user.as_bytes(), domain.as_bytes()), None, "{user} {domain}");
        }
        assert_eq!(directory.find(&[b'a'; 100_000], b"example.com"), None);
    }

    #[test]
    fn an_edit_leaves_the_old_directory_and_shares_what_it_does_not_touch() {
        let old = filled(20_000);
        let mut edit = Edit::of(&old);
        edit.put(b"user7", b"example.com", credential(99));
        edit.remove(b"user8", b"example.com");
        edit.remove(b"nobody", b"example.com");
        edit.put(b"new", b"example.com", credential(1));
        let new = edit.finish();

        assert_eq!((old.len(), new.len()), (20_000, 20_000));
        assert_eq!(old.find(b"user7", b"example.com"), Some(&credential(7)));
        assert_eq!(new.find(b"user7", b"example.com"), Some(&credential(99)));
        assert_eq!(old.find(b"user8", b"example.com"), Some(&credential(8)));
        assert_eq!(new.find(b"user8", b"example.com"), None);
        assert_eq!(old.find(b"new", b"example.com"), None);
        assert_eq!(new.find(b"new", b"example.com"), Some(&credential(1)));
        let copied = old.buckets.iter().zip(&new.buckets).filter(|(old, new)| !Arc::ptr_eq(old, new)).count();
        assert!((1..=4).contains(&copied), "{copied}");
    }

    #[test]
    fn equal_hashes_are_told_apart_by_name() {
        let mut draft = Draft::default();
        for (hash, name, byte) in
            [(u64::MAX, "z@x", 9), (5, "a@x", 1), (5, "b@x", 0), (5, "c@x", 3), (0, "0@x", 8)]
        {
            draft.push(hash, name.as_bytes(), Some(credential(byte)));
        }
        draft.push(5, b"a@x", None);
        draft.push(5, b"b@x", Some(credential(2)));
        let bucket = draft.freeze();
        let exact = |hash, name| bucket.find(hash, name).filter(|(_, is_it)| *is_it).map(|(found, _)| *found);
        assert_eq!(exact(5, b"a@x"), None);
        assert_eq!(exact(5, b"b@x"), Some(credential(2)));
        assert_eq!(exact(5, b"c@x"), Some(credential(3)));
        assert_eq!(exact(6, b"c@x"), None);
        assert_eq!(exact(0, b"0@x"), Some(credential(8)));
        assert_eq!(exact(u64::MAX, b"z@x"), Some(credential(9)));
        assert_eq!(exact(u64::MAX - 1, b"z@x"), None);
        assert_eq!(bucket.hashes.len(), 4);
        // Where there is nobody of that name, somebody near is looked at.
        assert_eq!(bucket.find(5, b"nobody@x").map(|(_, is_it)| is_it), Some(false));
    }

    #[test]
    fn an_account_takes_less_than_150_bytes() {
        let directory = filled(50_000);
        let empty = Directory::new().memory_bytes();
        let each = (directory.memory_bytes() - empty) / directory.len();
        assert!(each < 150, "{each} bytes");
    }
}
