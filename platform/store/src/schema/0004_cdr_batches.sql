-- Call detail records, many in a row: as one row each they cost the store several times as much. What is in `records` is
-- written and read by the assembler of the records alone. Calls that are not over, and how far the spool is read, are in a
-- log beside the spool.
DROP TABLE cdr;
DROP TABLE cdr_open;
DROP TABLE cdr_spool;
DROP TABLE cdr_state;

CREATE TABLE cdr (
    id        INTEGER PRIMARY KEY, -- of the first record; the others follow
    calls     INTEGER NOT NULL,    -- how many there are
    stored_ms INTEGER NOT NULL,    -- none of them began later; ms since 1970, UTC
    records   BLOB NOT NULL
) STRICT;

-- One row: numbers of the assembler, and how far the files of records are.
CREATE TABLE cdr_state (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    turn        INTEGER NOT NULL, -- the last one whose records are here
    next_id     INTEGER NOT NULL, -- what the next record gets
    lost        INTEGER NOT NULL, -- facts that the spool could not take, ever
    cut_short   INTEGER NOT NULL, -- calls recorded before their end because there were too many, ever
    file_number INTEGER NOT NULL, -- the file that is written
    file_day    TEXT NOT NULL,    -- the day in its name
    file_length INTEGER NOT NULL, -- what of it is sure
    file_last   INTEGER NOT NULL  -- the last record in it
) STRICT;
INSERT INTO cdr_state VALUES (1, 0, 1, 0, 0, 0, '', 0, 0);
