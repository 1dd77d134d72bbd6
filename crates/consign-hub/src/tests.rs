//! A running hub: every call by everyone, payloads, restarts, failure.

mod authorisation;
mod fairness;
mod life;
mod payloads;
