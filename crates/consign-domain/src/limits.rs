//! Every bound in one place. A peer's words are measured against these before memory is spent.

/// Largest integer in a statement: 2^53 − 1, exact in every JSON reader.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Most recipients of one envelope.
pub const MAX_RECIPIENTS: usize = 1_000;

/// Longest life of an envelope, in seconds: 90 days.
pub const MAX_LIFE_SECONDS: u64 = 90 * 86_400;

/// How far a statement's time may lie ahead of the hub's clock, in seconds.
pub const MAX_SKEW_SECONDS: u64 = 300;

/// Largest payload that travels inside a message, in bytes; larger ones are uploaded.
pub const MAX_INLINE_PAYLOAD: u64 = 256 * 1024;

/// Largest payload at all, in bytes: a container without zip64 and what age adds to it.
pub const MAX_PAYLOAD: u64 = (1 << 32) + (2 << 20);

/// Largest wrap, in bytes.
pub const MAX_WRAP: usize = 2 * 1024;

/// Largest encrypted text beside a status, in bytes.
pub const MAX_STATUS_TEXT: usize = 8 * 1024;

/// Largest envelope statement, in bytes: 1,000 codes and the fixed fields.
pub const MAX_ENVELOPE: usize = 48 * 1024;

/// Largest evidence statement, in bytes: 1,000 recipients with their sequences.
pub const MAX_EVIDENCE: usize = 128 * 1024;

/// Largest status statement, in bytes.
pub const MAX_STATUS: usize = 4 * 1024;

/// Largest directory head, in bytes.
pub const MAX_HEAD: usize = 4 * 1024;

/// Largest directory entry, in bytes.
pub const MAX_ENTRY: usize = 64 * 1024;

/// Most entries in a directory.
pub const MAX_ENTRIES: usize = 20_000;

/// Largest directory, in bytes of all its entries.
pub const MAX_DIRECTORY: usize = 32 * 1024 * 1024;

/// How many versions of the directory may lie between a node's and the hub's so that the heads
/// between them and what changed travel; beyond, the whole travels.
pub const MAX_VERSIONS_BETWEEN: u64 = 64;

/// Largest `document.json`, in bytes.
pub const MAX_DOCUMENT: usize = 256 * 1024;
