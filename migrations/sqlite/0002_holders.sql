-- Tokens bound to a holder's key. A client that was there before may not ask for bearer tokens until
-- it is added anew.

ALTER TABLE clients ADD COLUMN bearer INTEGER NOT NULL DEFAULT 0 CHECK (bearer IN (0, 1));

ALTER TABLE tasks ADD COLUMN holder BLOB CHECK (holder IS NULL OR length(holder) = 32);

-- Proofs that came with requests: each is taken once while it is good.
CREATE TABLE proofs (
    key    BLOB PRIMARY KEY CHECK (length(key) = 32),
    closes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX proofs_by_end ON proofs (closes);
