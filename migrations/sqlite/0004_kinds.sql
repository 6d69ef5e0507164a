-- What an entry may revoke: a holder's key too, and all that was issued before a moment, whose key16 is
-- its whole seconds as a big-endian number. Hashes stay as they are.

CREATE TABLE log_entries (
    seq       INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL
              CHECK (kind IN ('block', 'task', 'agent', 'root', 'holder', 'before')),
    key16     TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    reason    TEXT,
    revoker   TEXT,                         -- who did it
    task      TEXT,                         -- the task whose token it hits, where known
    created   INTEGER NOT NULL,
    hash      BLOB CHECK (hash IS NULL OR length(hash) = 32)
) STRICT;

INSERT INTO log_entries (seq, kind, key16, not_after, reason, revoker, task, created, hash)
SELECT seq, kind, key16, not_after, reason, revoker, task, created, hash FROM revocations;

DROP TABLE revocations;
ALTER TABLE log_entries RENAME TO revocations;

CREATE INDEX revocations_by_key ON revocations (key16);
CREATE INDEX revocations_by_end ON revocations (not_after);
CREATE INDEX revocations_by_task ON revocations (task) WHERE task IS NOT NULL;
CREATE INDEX revocations_of_moments ON revocations (key16) WHERE kind = 'before';

-- What one revocation ends is looked for among those that nobody has ended.
CREATE INDEX tasks_not_ended ON tasks (expires) WHERE ended IS NULL;

-- The entries of earlier epochs: nobody follows them any more.
CREATE TABLE past_revocations (
    epoch     INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    key16     TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    reason    TEXT,
    revoker   TEXT,
    task      TEXT,
    created   INTEGER NOT NULL,
    hash      BLOB,
    PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;
