-- Other names of accounts: the numbers by which they are called.
CREATE TABLE account_alias (
    domain TEXT NOT NULL,
    alias  TEXT NOT NULL,
    user   TEXT NOT NULL,
    change INTEGER NOT NULL, -- number of the change that wrote this row
    PRIMARY KEY (domain, alias),
    FOREIGN KEY (domain, user) REFERENCES account (domain, user) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX account_alias_by_account ON account_alias (domain, user);
