//! The one place where chance is drawn.

use domain::entropy::Entropy;

/// The operating system's generator, through the cryptographic library.
#[derive(Clone, Copy, Default)]
pub struct SystemChance;

impl Entropy for SystemChance {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that everybody else gets chance from")]
    #[expect(clippy::panic, reason = "without randomness every id and token would be guessable: stop")]
    fn fill(&mut self, target: &mut [u8]) {
        if aws_lc_rs::rand::fill(target).is_err() {
            panic!("the operating system gives no randomness");
        }
    }
}
