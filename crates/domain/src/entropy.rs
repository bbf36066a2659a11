//! Chance as an argument.

/// A source of unpredictable bytes, handed to whatever mints an id, a token or a jitter, so that a test can
/// decide what is drawn.
pub trait Entropy: Send {
    /// Fills `target` with unpredictable bytes.
    fn fill(&mut self, target: &mut [u8]);

    /// `N` unpredictable bytes.
    fn bytes<const N: usize>(&mut self) -> [u8; N]
    where
        Self: Sized,
    {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}
