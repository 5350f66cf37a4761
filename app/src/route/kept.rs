//! What `offhook route` says of a message to somebody who cannot be reached (RFC 3428 §7): until when it would be kept, or
//! which setting or limit says that it would not.

use jiff::Timestamp;
use offhook_config::Config;
use offhook_node::{Rehearsed, Supposed};
use offhook_store::Store;
use offhook_undelivered::{Keeper, NewMessage, NotKept, Office};

use crate::account::expect_data;
use crate::messages::keep::limits;
use crate::visible::visible;

/// The sentence, if there is anything to say.
pub fn told(
    config: &Config,
    supposed: &Supposed<'_>,
    unproved: bool,
    rehearsed: &Rehearsed,
) -> anyhow::Result<Option<String>> {
    if let Some(message) = &rehearsed.kept {
        return Ok(Some(match refusal(config, supposed.now_ms, message)? {
            None => kept(message),
            Some(why) => not_kept(config, message, why),
        }));
    }
    let absent = rehearsed.sent.iter().any(|sent| sent.bytes.starts_with(b"SIP/2.0 480 "));
    let why = match supposed.method {
        "MESSAGE" if !absent => return Ok(None),
        "MESSAGE" if !config.messages.keep => "messages.keep is false",
        "MESSAGE" if unproved => "only who has proved who he is may leave a message",
        _ => return Ok(None),
    };
    Ok(Some(format!("is not kept: {why}")))
}

/// Why the server would not take it, as its messages are now. Where none were ever left there is room.
fn refusal(config: &Config, now_ms: u64, message: &NewMessage) -> anyhow::Result<Option<NotKept>> {
    if expect_data(config).is_err() {
        return Ok(None);
    }
    let store = Store::open(&config.data_dir)?;
    Ok(Keeper::open(store, Office::new(1), limits(config), now_ms)?.refuses(message))
}

fn kept(message: &NewMessage) -> String {
    let until = i64::try_from(message.expires_at_ms / 1000).ok().and_then(|s| Timestamp::from_second(s).ok());
    let until = until.map_or_else(|| "for ever".to_owned(), |until| format!("until {until}"));
    format!("is kept for {} {until}, answers 202 Accepted", visible(&message.aor))
}

fn not_kept(config: &Config, message: &NewMessage, why: NotKept) -> String {
    let keys = &config.messages;
    let (recipient, sender) = (visible(&message.aor), visible(&message.sender));
    match why {
        NotKept::RecipientFull => format!(
            "is not kept: as much waits for {recipient} as messages.per_account_max ({}) and \
             messages.per_account_bytes_max ({}) allow, answers 480",
            keys.per_account_max, keys.per_account_bytes_max
        ),
        NotKept::SenderFull => format!(
            "is not kept: as many messages of {sender} wait as messages.per_sender_max ({}) allows, answers 403",
            keys.per_sender_max
        ),
        NotKept::Full | NotKept::Broken => format!(
            "is not kept: as much waits as messages.messages_max ({}) and messages.bytes_max ({}) allow, answers 503",
            keys.messages_max, keys.bytes_max
        ),
    }
}
