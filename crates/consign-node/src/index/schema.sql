CREATE TABLE sent (
    agency TEXT NOT NULL,
    envelope TEXT NOT NULL,
    document TEXT NOT NULL,
    symbol TEXT NOT NULL,
    subject TEXT NOT NULL,
    document_type TEXT NOT NULL,
    issued_on TEXT NOT NULL,
    urgency INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    sent_at TEXT NOT NULL,
    -- Sealed without a time-stamp, and it has none yet.
    unstamped INTEGER NOT NULL,
    PRIMARY KEY (agency, envelope)
) WITHOUT ROWID;
CREATE INDEX sent_unstamped ON sent (agency, envelope) WHERE unstamped;

CREATE TABLE recipients (
    agency TEXT NOT NULL,
    envelope TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since TEXT NOT NULL,
    status TEXT NOT NULL,
    status_reason TEXT NOT NULL,
    status_text TEXT NOT NULL,
    PRIMARY KEY (agency, envelope, code)
) WITHOUT ROWID;

CREATE TABLE received (
    agency TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    sender TEXT NOT NULL,
    sender_code TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    envelope TEXT NOT NULL,
    document TEXT NOT NULL,
    symbol TEXT NOT NULL,
    subject TEXT NOT NULL,
    document_type TEXT NOT NULL,
    issued_on TEXT NOT NULL,
    urgency INTEGER NOT NULL,
    state TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    received_at TEXT NOT NULL,
    forwarded INTEGER NOT NULL,
    PRIMARY KEY (agency, sequence)
) WITHOUT ROWID;

-- Whose documents are in the other tables.
CREATE TABLE agencies (
    agency TEXT PRIMARY KEY
) WITHOUT ROWID;

-- The long-term archives of documents that are final.
CREATE TABLE archives (
    agency TEXT NOT NULL,
    sender TEXT NOT NULL,
    envelope TEXT NOT NULL,
    -- When its newest time-stamp's certificate ends, in seconds since 1970; 0: there is none yet.
    until INTEGER NOT NULL,
    -- When it is to be looked at.
    due INTEGER NOT NULL,
    -- Since when it waits for revocation lists, in seconds since 1970; 0: it does not.
    waits INTEGER NOT NULL,
    -- Why it was not archived or renewed when it was looked at last; empty otherwise.
    reason TEXT NOT NULL,
    PRIMARY KEY (agency, sender, envelope)
) WITHOUT ROWID;
CREATE INDEX archives_due ON archives (due);
CREATE INDEX archives_reason ON archives (due) WHERE reason <> '';

-- What ids, symbols and search lead to: a row of either list.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    agency TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    envelope TEXT NOT NULL,
    document TEXT NOT NULL,
    issuer TEXT NOT NULL,
    number TEXT NOT NULL,
    notation TEXT NOT NULL,
    issued_on TEXT NOT NULL,
    UNIQUE (agency, kind, key)
);
CREATE INDEX documents_envelope ON documents (agency, envelope);
CREATE INDEX documents_document ON documents (agency, document);
CREATE INDEX documents_symbol ON documents (agency, number, notation);

-- The text is folded before it comes here, so the tokenizer need not.
CREATE VIRTUAL TABLE search USING fts5 (text, tokenize = 'unicode61 remove_diacritics 0');

PRAGMA user_version = 4;
