//! Control: the pages by which people rule over what is stored.

mod backups;
mod keys;
mod log;
pub mod look;
mod settings;
#[cfg(test)]
mod view_tests;
mod words;
