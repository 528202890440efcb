//! Lakes as runs write them: over stores that work and stores that fail, with runs that die, sleep, and meet.
#![expect(clippy::unwrap_used, reason = "what a test does not get, fails it")]

mod audit;
mod common;
mod exactly_once;
mod files;
mod protocol;
mod status;
mod stores;
mod verify;
