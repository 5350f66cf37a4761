-- Who may use this exchange. There are digests of passwords, never passwords.
CREATE TABLE account (
    id             INTEGER PRIMARY KEY,
    user           TEXT NOT NULL,    -- user part of the AOR, exactly as it is compared
    domain         TEXT NOT NULL,    -- lower case; also the realm of the digests
    ha1_md5        BLOB CHECK (length(ha1_md5) = 16),
    ha1_sha256     BLOB CHECK (length(ha1_sha256) = 32),
    ha1_sha512_256 BLOB CHECK (length(ha1_sha512_256) = 32),
    created_s      INTEGER NOT NULL DEFAULT (unixepoch()),
    change         INTEGER NOT NULL, -- number of the change that wrote this row
    UNIQUE (domain, user)
) STRICT;
CREATE INDEX account_by_change ON account (change);

-- Names that are gone, so that a reader of changes hears of removals too. A name is in at most one of both tables.
CREATE TABLE account_removed (
    domain TEXT NOT NULL,
    user   TEXT NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (domain, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_removed_by_change ON account_removed (change);

-- One row: the number of the latest change, and up to which change removals have been forgotten. Who has seen less
-- than that reads everything anew.
CREATE TABLE account_state (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    change    INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
) STRICT;
INSERT INTO account_state (id, change, forgotten) VALUES (1, 0, 0);
