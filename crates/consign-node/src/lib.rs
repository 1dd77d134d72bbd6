//! The agency node: outbox, inbox, archive, registers, keys.

mod archiving;
mod board;
pub mod client;
pub mod config;
pub mod directory_files;
mod ends;
pub mod enrol;
pub mod link;
mod office;
pub mod run;
mod service;
mod tokens;
mod work;

pub mod agency;
pub mod backup;
pub mod compose;
pub mod context;
mod durable;
pub mod error;
pub mod folder;
pub mod inbox;
pub mod index;
pub mod keys;
pub mod layout;
pub mod outbox;
mod register;
pub mod renewal;
mod revocation_lists;
pub mod seal;
pub mod stamps;
#[cfg(test)]
mod testing;
