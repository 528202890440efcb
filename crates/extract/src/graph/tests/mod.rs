//! The client against scripted answers.

mod discovery;
mod paging;
mod throttling;
mod tokens;
mod users;
