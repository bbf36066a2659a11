//! Control: its pages, by the forms that people send.

mod sign_in;
