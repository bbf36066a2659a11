//! Chance, drawn here and nowhere else.

/// Unpredictable bytes; nothing where the system has none to give.
#[expect(clippy::disallowed_methods, reason = "the SDK is the edge: its caller hands no chance in")]
pub(crate) fn bytes<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok().map(|()| bytes)
}
