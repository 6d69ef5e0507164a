-- The revocation log as gateways follow it: what an entry may revoke, who did it, and the hash over
-- the log up to it. Entries of before have no hash yet; opening the store gives them theirs.

CREATE TABLE log (
    epoch INTEGER NOT NULL
) STRICT;

INSERT INTO log (epoch) VALUES (1);

CREATE TABLE log_entries (
    seq       INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL CHECK (kind IN ('block', 'task', 'agent', 'root')),
    key16     TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    reason    TEXT,
    revoker   TEXT,                         -- who did it
    task      TEXT,                         -- the task whose token it hits, where known
    created   INTEGER NOT NULL,
    hash      BLOB CHECK (hash IS NULL OR length(hash) = 32)
) STRICT;

INSERT INTO log_entries (seq, kind, key16, not_after, reason, task, created)
SELECT seq, kind, key16, not_after, reason, task, created FROM revocations;

DROP TABLE revocations;
ALTER TABLE log_entries RENAME TO revocations;

CREATE INDEX revocations_by_key ON revocations (key16);
CREATE INDEX revocations_by_end ON revocations (not_after);
CREATE INDEX revocations_by_task ON revocations (task) WHERE task IS NOT NULL;
