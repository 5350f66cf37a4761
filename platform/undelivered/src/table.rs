//! The table of messages that wait.

use offhook_store::sql::{OptionalExtension, Result, Row, Rows, Transaction, params};
use offhook_store::{Store, StoreError};

use crate::message::{Filter, Listed, NewMessage};

/// What of a message counts against limits.
pub(crate) struct Counted {
    pub(crate) aor: Vec<u8>,
    pub(crate) sender: Vec<u8>,
    pub(crate) bytes: u64,
}

/// The message whose turn it is.
pub(crate) struct First {
    pub(crate) id: u64,
    pub(crate) secure: bool,
    pub(crate) content: Box<[u8]>,
}

/// Says whether it is new: one that is there already is kept once.
pub(crate) fn insert(sql: &Transaction<'_>, message: &NewMessage) -> Result<bool> {
    let mut insert = sql.prepare_cached(
        "INSERT INTO undelivered (aor, sender, request, received_ms, expires_at_ms, secure, content)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (aor, request) DO NOTHING",
    )?;
    let rows = insert.execute(params![
        message.aor,
        message.sender,
        message.request,
        message.received_ms,
        message.expires_at_ms,
        message.secure,
        message.content
    ])?;
    Ok(rows > 0)
}

/// Removes one; nothing if it is gone already.
pub(crate) fn delete(sql: &Transaction<'_>, id: u64) -> Result<Option<Counted>> {
    let mut delete =
        sql.prepare_cached("DELETE FROM undelivered WHERE id = ?1 RETURNING aor, sender, length(content)")?;
    delete.query_row([id], counted).optional()
}

/// Removes those that nobody wants any more.
pub(crate) fn delete_expired(sql: &Transaction<'_>, now_ms: u64) -> Result<Vec<Counted>> {
    let mut delete = sql.prepare_cached(
        "DELETE FROM undelivered WHERE expires_at_ms <= ?1 RETURNING aor, sender, length(content)",
    )?;
    delete.query_map([now_ms], counted)?.collect()
}

/// Shows what each message counts.
pub(crate) fn count(sql: &Transaction<'_>, mut show: impl FnMut(Counted)) -> Result<()> {
    let mut all = sql.prepare("SELECT aor, sender, length(content) FROM undelivered")?;
    let mut rows: Rows<'_> = all.query([])?;
    while let Some(row) = rows.next()? {
        show(counted(row)?);
    }
    Ok(())
}

/// The oldest message of a recipient that is still wanted; `plain_only`: and may travel by any transport.
pub(crate) fn first(
    store: &Store,
    aor: &[u8],
    now_ms: u64,
    plain_only: bool,
) -> std::result::Result<Option<First>, StoreError> {
    store.read(|sql| {
        let mut first = sql.prepare_cached(
            "SELECT id, secure, content FROM undelivered WHERE aor = ?1 AND expires_at_ms > ?2
             AND NOT (?3 AND secure) ORDER BY id LIMIT 1",
        )?;
        let read = |row: &Row<'_>| {
            let content: Vec<u8> = row.get(2)?;
            Ok(First { id: row.get(0)?, secure: row.get(1)?, content: content.into() })
        };
        first.query_row(params![aor, now_ms, plain_only], read).optional()
    })
}

/// How often somebody else has removed messages.
pub(crate) fn removed(sql: &Transaction<'_>) -> Result<u64> {
    sql.query_row("SELECT removed FROM undelivered_state", [], |row| row.get(0))
}

fn counted(row: &Row<'_>) -> Result<Counted> {
    Ok(Counted { aor: row.get(0)?, sender: row.get(1)?, bytes: row.get(2)? })
}

/// Whether no message waits.
///
/// # Errors
/// Those of the store.
pub fn is_empty(store: &Store) -> std::result::Result<bool, StoreError> {
    store.read(|sql| sql.query_row("SELECT NOT EXISTS (SELECT 1 FROM undelivered)", [], |row| row.get(0)))
}

/// The messages that fit, the oldest first. Reading them does not make them delivered.
///
/// # Errors
/// Those of the store.
pub fn list(store: &Store, filter: &Filter) -> std::result::Result<Vec<Listed>, StoreError> {
    store.read(|sql| {
        let mut rows = sql.prepare(
            "SELECT id, aor, sender, received_ms, expires_at_ms, content FROM undelivered
             WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR aor = ?2) ORDER BY id LIMIT ?3",
        )?;
        let wanted = params![filter.id, filter.aor, filter.limit.unwrap_or(u32::MAX)];
        rows.query_map(wanted, |row| {
            Ok(Listed {
                id: row.get(0)?,
                aor: row.get(1)?,
                sender: row.get(2)?,
                received_ms: row.get(3)?,
                expires_at_ms: row.get(4)?,
                content: row.get(5)?,
            })
        })?
        .collect()
    })
}

/// Removes the messages that fit, beside a running server or without one. How many they were.
///
/// # Errors
/// Those of the store.
pub fn remove(store: &Store, filter: &Filter) -> std::result::Result<usize, StoreError> {
    store.write(|sql| {
        let gone = sql
            .execute(
                "DELETE FROM undelivered WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR aor = ?2)",
                params![filter.id, filter.aor],
            )
            .map_err(StoreError::from)?;
        if gone > 0 {
            sql.execute("UPDATE undelivered_state SET removed = removed + 1", [])
                .map_err(StoreError::from)?;
        }
        Ok(gone)
    })
}
