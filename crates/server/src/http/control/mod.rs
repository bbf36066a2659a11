//! Control: the pages by which people rule over what is stored.

pub mod look;
