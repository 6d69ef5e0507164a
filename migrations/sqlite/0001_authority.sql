-- Moments are milliseconds since 1970. No table ever holds a token or a client's key.

CREATE TABLE clients (
    place        INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL UNIQUE,
    key_sha256   BLOB NOT NULL CHECK (length(key_sha256) = 32),
    is_admin     INTEGER NOT NULL CHECK (is_admin IN (0, 1)),
    ceiling      TEXT NOT NULL,             -- JSON array of grants
    audience     TEXT,                      -- JSON array; NULL is any
    ttl_secs_max INTEGER,
    depth_max    INTEGER,
    created      INTEGER NOT NULL,
    disabled     INTEGER
) STRICT;

CREATE TABLE tasks (
    place         INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of listings
    id            TEXT NOT NULL UNIQUE,
    client        TEXT NOT NULL REFERENCES clients (id),
    principal     TEXT NOT NULL,
    agent         TEXT,
    intent        TEXT,
    audience      TEXT NOT NULL,            -- JSON array
    grants        TEXT NOT NULL,            -- JSON array
    depth         INTEGER NOT NULL,
    root          INTEGER NOT NULL,
    revocation_id TEXT NOT NULL UNIQUE,     -- of the authority block
    created       INTEGER NOT NULL,
    expires       INTEGER NOT NULL,
    ended         INTEGER,
    ended_as      TEXT CHECK (ended_as IN ('completed', 'revoked')),
    CHECK ((ended IS NULL) = (ended_as IS NULL))
) STRICT;

CREATE INDEX tasks_by_client ON tasks (client, place);

CREATE TABLE idempotency (
    client  TEXT NOT NULL REFERENCES clients (id),
    key     TEXT NOT NULL,
    body    BLOB NOT NULL,                  -- SHA-256 of the body's canonical JSON
    task    TEXT NOT NULL REFERENCES tasks (id),
    created INTEGER NOT NULL,
    PRIMARY KEY (client, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created);

-- Append-only. `seq` counts from 1 without gaps.
CREATE TABLE revocations (
    seq       INTEGER PRIMARY KEY,
    kind      TEXT NOT NULL CHECK (kind IN ('block', 'task')),
    key16     TEXT NOT NULL,
    not_after INTEGER NOT NULL,
    reason    TEXT,
    task      TEXT,                         -- the task whose token it hits, where known
    created   INTEGER NOT NULL
) STRICT;

CREATE INDEX revocations_by_key ON revocations (key16);
CREATE INDEX revocations_by_end ON revocations (not_after);
CREATE INDEX revocations_by_task ON revocations (task) WHERE task IS NOT NULL;
