-- Where call detail records are: their bytes lie in files beside the spool, which are appended to and nothing else. In the
-- store each was written three times over (page, log, and page again), and most of a record's price was that.
DROP TABLE cdr;

CREATE TABLE cdr (
    id        INTEGER PRIMARY KEY, -- of the first record; the others follow
    calls     INTEGER NOT NULL,    -- how many there are
    stored_ms INTEGER NOT NULL,    -- none of them began later; ms since 1970, UTC
    file      INTEGER NOT NULL,    -- the number of the file
    start     INTEGER NOT NULL,    -- where in it they begin
    bytes     INTEGER NOT NULL     -- how long they are
) STRICT;
