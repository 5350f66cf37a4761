-- Messages that wait for their recipient, in the order in which they came. Times are ms since 1970, UTC.
CREATE TABLE undelivered (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    aor           BLOB NOT NULL,
    sender        BLOB NOT NULL,    -- the account or neighbour that left it
    request       BLOB NOT NULL,    -- what tells its request from others: a repetition is kept once
    received_ms   INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    secure        INTEGER NOT NULL, -- whether it was for a sips URI
    content       BLOB NOT NULL     -- its header lines that are not of a hop, and its body
) STRICT;
CREATE UNIQUE INDEX undelivered_by_aor ON undelivered (aor, request);
CREATE INDEX undelivered_by_expiry ON undelivered (expires_at_ms);

-- One row: how often somebody else than the server has removed some.
CREATE TABLE undelivered_state (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    removed INTEGER NOT NULL
) STRICT;
INSERT INTO undelivered_state VALUES (1, 0);
