//! The relay hub
