//! What the phones of a removed account have registered goes with it: whoever is given the name next must not make them ring.
//!
//! ```text
//!   a server runs:  command ── "account.forget" ──► control desk: accounts read again, then the bindings go
//!   none runs:      command: the bindings go
//! ```
//! First the accounts, then the bindings: in the other order a phone could register once more in between.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use offhook_accounts::Accounts;
use offhook_config::Config;
use offhook_control::{AskError, Fault, Question, ask};
use offhook_journal::{Event, Journal};
use offhook_location::{Change, Location, LocationError, Writer};
use offhook_net::Clock;
use serde_json::{Value, json};

/// What the server is asked.
pub const QUESTION: &str = "account.forget";

/// The writer of whoever removes accounts. Shards count from 0, and are far fewer.
const WRITER: u16 = 255;

/// A server that starts or ends has the files and does not answer yet, or not any more: so often the command tries again.
const TRIES: u32 = 20;
const TRY_EVERY: Duration = Duration::from_millis(100);

/// Removes what is registered for an account that is no more; how many bindings those were.
pub fn forget(config: &Config, user: &str, domain: &str) -> anyhow::Result<usize> {
    let aor = aor(user, domain);
    let question = Question::new(QUESTION).with("aor", aor.as_str());
    let mut tries = 1;
    loop {
        match by_hand(config, &aor) {
            Err(LocationError::InUse { .. }) => {}
            done => return Ok(done?),
        }
        let is_passing = |error: &AskError| {
            matches!(error, AskError::NoServer(_) | AskError::Silent(_) | AskError::CutOff(_))
        };
        match ask(&config.data_dir, &question) {
            Err(error) if is_passing(&error) && tries < TRIES => tries += 1,
            Err(error) => return Ok(stay(&aor, &error)),
            Ok(gone) => return Ok(gone.len()),
        }
        thread::sleep(TRY_EVERY);
    }
}

/// The account is gone all the same: no failure, but something to know.
fn stay(aor: &str, why: &AskError) -> usize {
    let _ = writeln!(
        io::stderr(),
        "offhook: note: the phones of {aor} stay registered until they have to register again: {why}"
    );
    0
}

fn by_hand(config: &Config, aor: &str) -> Result<usize, LocationError> {
    let now_ms = Clock::start().now_ms();
    let location = Location::open(&config.data_dir, offhook_location::Limits::default(), now_ms)?;
    let gone = remove(&mut location.writer(WRITER)?, aor.as_bytes(), now_ms)?;
    Ok(gone.len())
}

/// Removes the bindings of an address-of-record, durably; their contacts.
fn remove(writer: &mut Writer, aor: &[u8], now_ms: u64) -> Result<Vec<Vec<u8>>, LocationError> {
    let gone = writer.update(aor, now_ms, |have, _none| {
        (Change::Replace, have.map(|binding| binding.contact.to_vec()).collect::<Vec<_>>())
    })?;
    writer.commit()?;
    Ok(gone)
}

/// As the location service names it.
fn aor(user: &str, domain: &str) -> String {
    format!("{user}@{}", domain.to_ascii_lowercase())
}

/// The clerk of a running server.
pub struct Clerk {
    accounts: Arc<Accounts>,
    location: Location,
    /// Made for the first account that is removed.
    writer: Option<Writer>,
}

impl Clerk {
    /// Removes nothing yet.
    pub fn new(accounts: Arc<Accounts>, location: Location) -> Self {
        Self { accounts, location, writer: None }
    }

    /// Answers [`QUESTION`] with the contacts that are gone.
    pub fn answer(
        &mut self,
        question: &Question,
        now_ms: u64,
        journal: &mut Journal,
    ) -> Result<Vec<Value>, Fault> {
        let aor = question.text("aor")?;
        let gone = self.forget(aor.as_bytes(), now_ms).map_err(|error| {
            let error = error.to_string();
            journal.note(now_ms, &Event::StoreFailed { what: "remove bindings", error: &error });
            Fault::Absent(format!("its phones stay registered: {error}"))
        });
        for contact in gone.iter().flatten() {
            journal.note(now_ms, &Event::RegisterForgotten { aor: aor.as_bytes(), contact });
        }
        journal.flush(now_ms);
        let object = |contact: Vec<u8>| json!({ "contact": String::from_utf8_lossy(&contact) });
        Ok(gone?.into_iter().map(object).collect())
    }

    fn forget(&mut self, aor: &[u8], now_ms: u64) -> anyhow::Result<Vec<Vec<u8>>> {
        self.accounts.refresh()?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(self.location.writer(WRITER)?),
        };
        Ok(remove(writer, aor, now_ms)?)
    }
}
