//! The client against scripted answers.

mod discovery;
mod pace;
mod paging;
mod parts;
mod retries;
mod throttling;
mod tokens;
mod users;
