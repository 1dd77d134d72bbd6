//! The agency node: outbox, inbox, archive, registers, keys.

pub mod client;
pub mod config;
pub mod directory_files;
pub mod link;
