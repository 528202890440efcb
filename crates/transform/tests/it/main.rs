//! The transformer from outside: pages in, rows out.

#[cfg(test)]
mod pages;
#[cfg(test)]
mod records;
#[cfg(test)]
mod support;
