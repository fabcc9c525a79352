-- The lowest schema version whose release can work on this database. A migration that only
-- adds leaves it alone, so that a release before it can be gone back to.
INSERT INTO counter VALUES ('readable from', 1);

-- What the face wears: '' nothing, 'mask' or 'glasses'.
ALTER TABLE template ADD COLUMN cover TEXT NOT NULL DEFAULT '' CHECK (cover IN ('', 'mask', 'glasses'));

-- Pictures that people agreed to be enrolled with, so that templates can be made anew for another model.
CREATE TABLE picture (
    n        INTEGER PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    rev      INTEGER NOT NULL,
    template TEXT NOT NULL REFERENCES template (id) ON DELETE CASCADE,
    sealed   BLOB NOT NULL, -- JPEG
    created  INTEGER NOT NULL,
    UNIQUE (person, rev)
) STRICT;

CREATE INDEX picture_of_template ON picture (template);

-- When somebody last passed a door.
CREATE TABLE seen (
    person TEXT PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- An event that was tampered with is no reason not to open.
WITH granted AS (
    SELECT body FROM event WHERE CASE WHEN json_valid(body) THEN body ->> '$.kind' END = 'access.granted'
)
INSERT INTO seen
SELECT id, coalesce(max(unixepoch(at)), 0) * 1000 FROM person JOIN (
    SELECT body ->> '$.person' AS id, body ->> '$.time' AS at FROM granted
    UNION ALL
    SELECT body ->> '$.data.with', body ->> '$.time' FROM granted
) USING (id) GROUP BY id;

-- Every policy that was ever set; the newest holds.
CREATE TABLE policy (
    rev    INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL, -- the file's text, so that nobody without the key changes who may pass
    author TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

-- Ends of the chain that the device has signed, docs/audit.md.
CREATE TABLE signed_head (
    seq       INTEGER PRIMARY KEY,
    hash      BLOB NOT NULL,
    at        INTEGER NOT NULL,
    key       TEXT NOT NULL,
    signature BLOB NOT NULL
) STRICT;
