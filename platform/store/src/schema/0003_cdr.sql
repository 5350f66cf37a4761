-- Call detail records, in the order in which calls were over. Times are ms since 1970, UTC.
CREATE TABLE cdr (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             INTEGER NOT NULL UNIQUE,
    start_ms       INTEGER NOT NULL,
    ring_ms        INTEGER,
    answer_ms      INTEGER,
    end_ms         INTEGER,
    outcome        TEXT NOT NULL,
    ended_by       TEXT,
    status         INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    from_uri       TEXT NOT NULL,
    to_uri         TEXT NOT NULL,
    request_uri    TEXT NOT NULL,
    user           TEXT NOT NULL,
    caller_contact TEXT NOT NULL,
    caller_agent   TEXT NOT NULL,
    caller_source  TEXT NOT NULL,
    callee_contact TEXT NOT NULL,
    callee_agent   TEXT NOT NULL,
    callee_target  TEXT NOT NULL,
    route          TEXT NOT NULL,
    trunk          TEXT NOT NULL,
    call_id        TEXT NOT NULL
) STRICT;
CREATE INDEX cdr_by_start ON cdr (start_ms);

-- Calls that are not over, as the assembler of the records left them.
CREATE TABLE cdr_open (
    id   INTEGER PRIMARY KEY,
    call BLOB NOT NULL
) STRICT;

-- How far each segment of the spool is in these tables. The salt tells a segment from another one of its name.
CREATE TABLE cdr_spool (
    run      INTEGER NOT NULL,
    shard    INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    salt     INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (run, shard, number)
) STRICT, WITHOUT ROWID;

-- One row: numbers of the assembler, and how far the files of records are.
CREATE TABLE cdr_state (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    next_id     INTEGER NOT NULL, -- what the next call gets
    orphans     BLOB NOT NULL,    -- facts that wait for their call
    lost        INTEGER NOT NULL, -- facts that the spool could not take, ever
    cut_short   INTEGER NOT NULL, -- calls recorded before their end because there were too many, ever
    file_number INTEGER NOT NULL, -- the file that is written
    file_day    TEXT NOT NULL,    -- the day in its name
    file_length INTEGER NOT NULL, -- what of it is sure
    file_seq    INTEGER NOT NULL  -- the last record in it
) STRICT;
INSERT INTO cdr_state VALUES (1, 1, x'', 0, 0, 0, '', 0, 0);
