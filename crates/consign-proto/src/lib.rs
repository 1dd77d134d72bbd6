//! The messages of Consign's gRPC services, generated from `proto/`, and their
//! conversions to the domain's types.
//!
//! Conversions check form (lengths, presence); what a statement says is for
//! `consign-verify` to judge.

/// Generated from `proto/consign/v1/*.proto`.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("consign.v1");
}

mod convert;
mod status;

pub use convert::{
    Malformed, digest, envelope_key, id16, key_message, required, sequence, signed, signed_message,
};
pub use status::{
    fault, fault_of_status, retry_after_of, status_after, status_from_code, status_of,
};

/// The version of the protocol between node and hub.
pub const PROTOCOL: u32 = 1;
