//! The words of Consign: agency codes, document fields, statements, delivery
//! states, limits and error codes.
//!
//! Nothing here does I/O, reads a clock, draws a random number or awaits.
//! Every value from outside is parsed into a type that cannot hold a bad one;
//! code that has such a value need not check it again.
//!
//! The statements ([`statement`]) follow the events of ETSI EN 319 522-2; the
//! document's fields ([`document`]) follow Decree 30/2020/NĐ-CP.

pub mod code;
pub mod delivery;
pub mod digest;
pub mod directory;
pub mod document;
pub mod enrolment;
pub mod error_code;
pub mod id;
pub mod limits;
pub mod statement;
pub mod text;
pub mod time;

pub use code::{AgencyCode, PartyCode};
pub use digest::{Digest, Salt};
pub use error_code::ErrorCode;
pub use id::{
    AgencyId, DirectoryVersion, DocumentId, EnvelopeId, EnvelopeKey, GroupId, HubId, KeyId,
    NetworkId, NodeId, PartyId, Sequence,
};
pub use statement::SignedStatement;
pub use time::{Date, End, Timestamp};
