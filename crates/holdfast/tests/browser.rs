//! The pages as a browser shows them: those of everybody, and Control, to whose people it lends its passkeys.

#![expect(clippy::panic, reason = "a test may stop at once, in what its functions share too")]

mod rig {
    pub mod browser;
    pub mod gpg;
    pub mod sandbox;
    pub mod stock;
    pub mod typescript;
}

mod stories {
    mod book;
    mod pages;
    mod people;
    mod policy;
    mod recovery;
    mod reviews;
    mod stage;
    mod tour;
    mod wallet;
}
