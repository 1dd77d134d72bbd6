//! A running hub: every call by everyone, payloads, restarts, failure.

mod authorisation;
mod clocks;
mod fairness;
mod full;
mod life;
mod payloads;
mod reforms;
mod stamps;
mod uploads;
