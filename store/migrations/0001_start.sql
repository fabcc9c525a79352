-- Times are milliseconds since 1970 UTC. What is sealed is written by store/seal.

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Grows with every change to a person or a template; a changed row carries its value then.
-- It never goes back, so no revision of an erased person is ever given again.
INSERT INTO counter VALUES ('people', 0);

CREATE TABLE secret (
    name   TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE person (
    id     TEXT PRIMARY KEY CHECK (length(id) > 0),
    rev    INTEGER NOT NULL,
    sealed BLOB NOT NULL -- everything else, so that nobody without the key lifts a block
) STRICT, WITHOUT ROWID;

CREATE TABLE template (
    n       INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    person  TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    rev     INTEGER NOT NULL,
    model   TEXT NOT NULL,
    sealed  BLOB NOT NULL, -- the vector, little-endian float32
    quality REAL NOT NULL,
    source  TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (person, rev, model)
) STRICT;

CREATE TABLE event (
    seq  INTEGER PRIMARY KEY,
    body TEXT NOT NULL, -- canonical bytes, docs/audit.md
    prev BLOB NOT NULL,
    hash BLOB NOT NULL,
    mac  BLOB NOT NULL
) STRICT;

-- Where the chain stands. The mac keeps it from being rewritten without the key.
CREATE TABLE chain (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL,
    mac  BLOB NOT NULL
) STRICT;

-- Events that the central site has not acknowledged.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY REFERENCES event (seq)
) STRICT;

CREATE TRIGGER event_has_no_gap BEFORE INSERT ON event
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM event)
BEGIN SELECT raise(ABORT, 'events are numbered without a gap'); END;

CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event
BEGIN SELECT raise(ABORT, 'events are never changed'); END;

CREATE TRIGGER event_is_not_deleted BEFORE DELETE ON event
BEGIN SELECT raise(ABORT, 'events are never deleted'); END;

CREATE TRIGGER chain_is_not_deleted BEFORE DELETE ON chain
BEGIN SELECT raise(ABORT, 'the end of the chain is never deleted'); END;
