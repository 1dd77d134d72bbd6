//! The authority: issues certificates, keeps the directory's entries and signs its head.
//!
//! It works offline, by files, or as a [`service`]. A node or hub makes its keys and a request; [`issue`] answers
//! it with a bundle and enters its parties; [`publish`] signs the next version of the
//! directory, and only then do the new keys count.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use consign_authority::{IssueOptions, Lives, PublishOptions, init, issue, publish};
//! # let (dir, now) = (std::path::Path::new("authority"), consign_domain::Timestamp::from_unix(0)?);
//! # let (hub_request, node_request) = (Vec::new(), Vec::new());
//! init(dir, "Tỉnh Quảng Ninh", Lives::default(), now)?;
//! let hub_bundle = issue(dir, &hub_request, &IssueOptions::default(), now)?;
//! let node_bundle = issue(dir, &node_request, &IssueOptions::default(), now)?;
//! let published = publish(dir, PublishOptions::default(), now)?;
//! # Ok(()) }
//! ```
//!
//! Invariants: a refused request changes nothing; ids, codes and keys have one holder for
//! ever; what readers would refuse is never published; nothing signed is ever overwritten.
//! Times are arguments. Serial numbers, ids and the directory key's seed come from
//! `consign_runtime::entropy`; the certificate keys from the generator inside aws-lc-rs.
//!
//! | module | what it is for |
//! |---|---|
//! | [`files`] | the authority's directory on disk and the public operations |
//! | `issuance`, `applicant`, `entries` | from a request to certificates and entries |
//! | `register` | who has which id, code and key |
//! | [`ceremony`] | printable records of what was done with the root's key |
//! | `publication` | the next head |
//! | `revocation` | what no longer counts, and the lists that say so |
//! | [`service`] | enrolment and renewal by gRPC, the directory handed on |
//! | [`inspection`] | what `authority show` says |

mod address;
mod applicant;
pub mod ceremony;
mod entries;
pub mod error;
pub mod files;
pub mod inspection;
mod issuance;
mod publication;
mod register;
mod revocation;
pub mod service;
mod settings;

pub use error::AuthorityError;
pub use files::{
    Authority, Enrolment, Founded, Founding, Invitation, InvitationSummary, InviteOptions, Invited,
    Invitee, Known, NewKeys, PendingRequest, PublishOptions, Published, Rename, RenewalProof,
    RevokedIssuing, RootError, RootList, RootUse, init, init_with, inspect, issue, protect,
    publish, revoke, set_state,
};
pub use inspection::Inspection;
pub use issuance::IssueOptions;
pub use register::Kind;
pub use revocation::{RevokeOptions, RevokedParty};
pub use settings::{AUTHORITY_CODE, Lives, Naming, Settings, SettingsTag};
