//! The schema as a list of steps, each taken once, in order, in a transaction of its own.
//!
//! `PRAGMA user_version` says how many have been taken. A step that has been released is never changed: the next
//! change is the next file.

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

const STEPS: &[&str] = &[
    include_str!("schema/0001_meta.sql"),
    include_str!("schema/0002_accounts.sql"),
    include_str!("schema/0003_cdr.sql"),
    include_str!("schema/0004_cdr_batches.sql"),
    include_str!("schema/0005_undelivered.sql"),
    include_str!("schema/0006_aliases.sql"),
    include_str!("schema/0007_cdr_archive.sql"),
];

pub(crate) fn upgrade(connection: &mut Connection) -> Result<(), StoreError> {
    upgrade_by(connection, STEPS)
}

fn upgrade_by(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (number, step) in (1..).zip(steps).filter(|(number, _)| *number > found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> u32 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a pragma")
    }

    #[test]
    fn steps_are_taken_once_and_in_order() {
        let mut connection = Connection::open_in_memory().expect("memory");
        upgrade_by(&mut connection, &["CREATE TABLE a (x)"]).expect("first release");
        let second =
            ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y", "INSERT INTO a (x, y) VALUES (1, 2)"];
        upgrade_by(&mut connection, &second).expect("second release");
        upgrade_by(&mut connection, &second).expect("nothing left to do");
        assert_eq!(version(&connection), 3);
        let rows: u32 =
            connection.query_row("SELECT count(*) FROM a WHERE y = 2", [], |row| row.get(0)).expect("a row");
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().expect("memory");
        let broken = ["CREATE TABLE a (x)", "CREATE TABLE b (x); CREATE TABLE a (x)"];
        assert!(matches!(upgrade_by(&mut connection, &broken), Err(StoreError::Statement(_))));
        assert_eq!(version(&connection), 1);
        upgrade_by(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).expect("b is not there");
    }
}
