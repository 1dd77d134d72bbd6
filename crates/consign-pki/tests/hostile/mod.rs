//! Hostile containers, each made by code and each stating what becomes of it.

pub(crate) mod archive;
pub(crate) mod case;
pub(crate) mod entries;
pub(crate) mod layout;
pub(crate) mod manifests;
pub(crate) mod names;
