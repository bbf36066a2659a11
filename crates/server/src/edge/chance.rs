//! The one place where chance is drawn.

use domain::entropy::Entropy;

/// The operating system's generator, through the cryptographic library.
#[derive(Clone, Copy, Default)]
pub struct SystemChance;

impl Entropy for SystemChance {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that everybody else gets chance from")]
    // Without randomness every id and token would be guessable: stop.
    fn fill(&mut self, target: &mut [u8]) {
        aws_lc_rs::rand::fill(target).expect("the operating system gives no randomness");
    }
}
