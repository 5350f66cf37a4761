//! Every fuzz target on its seeds, and on a few hundred inputs that chance makes of them, the same in each run. So they are
//! built whenever tests are, and what they promise is looked at; `cargo xtask fuzz` looks much further.

#![allow(clippy::duplicate_mod, reason = "each target is a program too, and has what it needs")]

use std::fs;
use std::path::{Path, PathBuf};

use offhook_simnet::{Rng, mutation};

/// Inputs for a target that reads one thing.
const MANY: usize = 2_000;

/// Inputs for a target that lets a whole shard live for hours of its time.
const FEW: usize = 60;

/// Ways in which one input is spoilt.
const CHANGES_MAX: u64 = 6;

macro_rules! targets {
    ($($name:ident: $inputs:expr,)*) => {
        $(mod $name;)*
        $(
            #[test]
            fn $name() {
                holds(stringify!($name), $inputs, $name::fuzz);
            }
        )*
    };
}

targets! {
    cdr_spool: FEW,
    certificate: MANY,
    control_question: MANY,
    digest_challenge: MANY,
    digest_credentials: MANY,
    dns_answer: MANY,
    facts: MANY,
    forwarded: MANY,
    history_info: MANY,
    live_calls: FEW,
    locate: MANY,
    location_log: MANY,
    preferences: MANY,
    privacy: MANY,
    redirect: MANY,
    register: MANY,
    registrar: FEW,
    seal_token: MANY,
    session_timer: MANY,
    shard: FEW,
    sip_contact: MANY,
    sip_cseq: MANY,
    sip_features: MANY,
    sip_message: MANY,
    sip_name_addr: MANY,
    sip_quoted: MANY,
    sip_stream: MANY,
    sip_uri: MANY,
    sip_via: MANY,
    stun: MANY,
    tokens: MANY,
    websocket_frames: MANY,
    websocket_opening: MANY,
}

/// An input on its way through a target: it is shown where the target does not hold.
struct Tried<'i>(&'i [u8]);

impl Drop for Tried<'_> {
    #[allow(clippy::print_stderr, reason = "the test has failed, and this is why")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input: b\"{}\"", self.0.escape_ascii());
        }
    }
}

fn holds(name: &str, inputs: usize, fuzz: fn(&[u8])) {
    let (seeds, words) = (seeds(name), words(name));
    let try_one = |input: &[u8]| {
        let tried = Tried(input);
        fuzz(tried.0);
    };
    seeds.iter().for_each(|seed| try_one(seed));
    let mut rng = Rng::new(1);
    for _ in 0..inputs {
        try_one(&spoilt(&mut rng, &seeds, &words));
    }
}

/// One of the seeds, spoilt in several ways.
fn spoilt(rng: &mut Rng, seeds: &[Vec<u8>], words: &[Vec<u8>]) -> Vec<u8> {
    let mut input = any(rng, seeds).to_vec();
    for _ in 0..=rng.below(CHANGES_MAX) {
        let at = rng.below(input.len() as u64 + 1) as usize;
        match rng.below(4) {
            0 if !words.is_empty() => _ = input.splice(at..at, any(rng, words).iter().copied()),
            1 => {
                let other = any(rng, seeds);
                let from = rng.below(other.len() as u64 + 1) as usize;
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            _ => mutation::any(rng, &mut input),
        }
    }
    input
}

fn any<'l>(rng: &mut Rng, list: &'l [Vec<u8>]) -> &'l [u8] {
    &list[rng.below(list.len() as u64) as usize]
}

/// Below the folder of the crate, where tests run.
fn path(name: &str) -> PathBuf {
    Path::new("seeds").join(name)
}

/// In the order of their names: a run is like the one before.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(path(name)).expect("a target has seeds");
    let mut files: Vec<PathBuf> = folder.map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "a target has seeds");
    files.iter().map(|file| fs::read(file).expect("a seed")).collect()
}

/// The dictionary of a target, if it has one: a word in quotes on each line.
fn words(name: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path(&format!("{name}.dict"))).unwrap_or_default();
    let quoted = |line: &str| Some(line.split_once('"')?.1.rsplit_once('"')?.0.to_owned());
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(quoted)
        .map(|word| unescaped(&word))
        .collect()
}

/// `\\`, `\"` and `\x0d` as libFuzzer reads them.
fn unescaped(word: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("ASCII");
                out.push(u8::from_str_radix(digits, 16).expect("two digits"));
                rest = behind;
            }
            (b'\\', [escaped, behind @ ..]) => {
                out.push(*escaped);
                rest = behind;
            }
            _ => out.push(*first),
        }
    }
    out
}
