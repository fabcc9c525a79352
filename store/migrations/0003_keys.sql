-- Keys of the APIs. What a key may do is sealed, together with the hash of its secret, so that
-- nobody without the store's key makes one or gives it more.
CREATE TABLE api_key (
    id     TEXT PRIMARY KEY,
    hash   BLOB UNIQUE, -- SHA-256 of the secret, NULL once revoked
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What the keys of one project have in common.
CREATE TABLE project (
    api    TEXT NOT NULL,
    name   TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (api, name)
) STRICT, WITHOUT ROWID;

-- What the APIs keep between calls. Everything in the clear is part of what the row is sealed for.
CREATE TABLE record (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    owner   TEXT NOT NULL,
    person  TEXT NOT NULL, -- whom it goes with, '' nobody
    face    INTEGER NOT NULL CHECK (face IN (0, 1)), -- it goes with their consent too
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL, -- 0 never
    sealed  BLOB NOT NULL,
    UNIQUE (kind, id)
) STRICT;

CREATE INDEX record_of_owner ON record (kind, owner, seq);
CREATE INDEX record_of_person ON record (person) WHERE person <> '';
CREATE INDEX record_expires ON record (expires) WHERE expires > 0;

-- Calls to other servers that have not been answered yet.
CREATE TABLE webhook (
    id      TEXT PRIMARY KEY,
    person  TEXT NOT NULL, -- whom it goes with, '' nobody
    next    INTEGER NOT NULL,
    tries   INTEGER NOT NULL,
    created INTEGER NOT NULL,
    sealed  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX webhook_next ON webhook (next);
CREATE INDEX webhook_of_person ON webhook (person) WHERE person <> '';

-- A release before this one erases people too.
CREATE TRIGGER person_takes_records AFTER DELETE ON person
BEGIN
    DELETE FROM record WHERE person = OLD.id AND person <> '';
    DELETE FROM webhook WHERE person = OLD.id AND person <> '';
END;
