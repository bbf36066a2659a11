//! The Merkle tree over a log's entries (RFC 6962 §2.1), of which only what growing needs is kept.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of something.
pub type Hash = [u8; 32];

/// A tree that grows by a leaf at a time: the roots of its perfect subtrees, the largest, which is also the first,
/// before the others. A log of 2^40 entries has at most 40 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

/// Leaves of a tree, the first counted and the last not.
#[derive(Clone, Copy)]
struct Range {
    from: u64,
    to: u64,
}

impl Range {
    /// Where RFC 9162 §2.1.1 splits it: by the largest power of two that is smaller than it is long.
    const fn split(self) -> u64 {
        self.from + (1 << (self.to - self.from - 1).ilog2())
    }
}

impl Tree {
    /// A tree of so many leaves, from what [`Tree::peaks`] gave; none if that belongs to no tree of this size.
    pub fn of(size: u64, peaks: &[u8]) -> Option<Self> {
        let (peaks, rest) = peaks.as_chunks::<32>();
        let fits = rest.is_empty() && u32::try_from(peaks.len()) == Ok(size.count_ones());
        fits.then(|| Self { size, peaks: peaks.to_vec() })
    }

    /// How many leaves it has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its perfect subtrees, one after the other: what [`Tree::of`] reads.
    pub fn peaks(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut peak = leaf;
        // Each subtree as large as the one that has grown becomes one with it.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                peak = node(&left, &peak);
            }
        }
        self.peaks.push(peak);
        self.size += 1;
    }

    /// What proves that the tree which this one becomes by further leaves begins with it: PROOF of RFC 9162 §2.1.4.1.
    /// Empty for no further leaves, and where there was nothing to begin with.
    pub fn consistency(&self, further: &[Hash]) -> Vec<Hash> {
        let mut proof = Vec::new();
        let grown = Range { from: 0, to: self.size + further.len() as u64 };
        if self.size > 0 {
            self.add_proof(grown, further, true, &mut proof);
        }
        proof
    }

    /// SUBPROOF of the part of the grown tree that is in this range. Of this tree's own leaves it needs no more than
    /// whole peaks: below them both trees are the same.
    fn add_proof(&self, range: Range, further: &[Hash], is_whole: bool, proof: &mut Vec<Hash>) {
        if range.to <= self.size {
            proof.extend(self.peak(range.from).filter(|_| !is_whole));
            return;
        }
        let split = range.split();
        if self.size <= split {
            self.add_proof(Range { to: split, ..range }, further, is_whole, proof);
            let start = usize::try_from(split - self.size).unwrap_or(usize::MAX);
            let end = usize::try_from(range.to - self.size).unwrap_or(usize::MAX);
            let mut beside = Self::default();
            further.get(start..end).unwrap_or_default().iter().for_each(|leaf| beside.push(*leaf));
            proof.push(beside.root());
        } else {
            self.add_proof(Range { from: split, ..range }, further, false, proof);
            proof.extend(self.peak(range.from));
        }
    }

    /// The peak over the perfect subtree that begins at this leaf.
    fn peak(&self, from: u64) -> Option<Hash> {
        // The peaks before it are of the sizes that the bits of its beginning name.
        self.peaks.get(from.count_ones() as usize).copied()
    }

    /// The hash of the whole; of no leaves, that of nothing.
    pub fn root(&self) -> Hash {
        let folded = self.peaks.iter().copied().rev().reduce(|right, left| node(&left, &right));
        folded.unwrap_or_else(|| sha256(&[]))
    }
}

/// Whether a proof shows that the tree of the second size and root begins with the first: as RFC 9162 §2.1.4.2 writes
/// it. Of two sizes at least 1, the first is the smaller.
pub fn goes_on(first: (i64, &Hash), second: (i64, &Hash), proof: &[Hash]) -> bool {
    let ((first, first_root), (second, second_root)) = (first, second);
    if first < 1 || first >= second || proof.is_empty() {
        return false;
    }
    // A perfect tree is its own first node, which the proof leaves out.
    let own = first.unsigned_abs().is_power_of_two().then_some(*first_root);
    let mut path = own.into_iter().chain(proof.iter().copied());
    let (mut at, mut end) = (first - 1, second - 1);
    let climbed = at.trailing_ones();
    (at, end) = (at >> climbed, end >> climbed);
    let Some(begin) = path.next() else { return false };
    let (mut before, mut after) = (begin, begin);
    for hash in path {
        if end == 0 {
            return false;
        }
        if at & 1 == 1 || at == end {
            (before, after) = (node(&hash, &before), node(&hash, &after));
            while at & 1 == 0 && at != 0 {
                (at, end) = (at >> 1, end >> 1);
            }
        } else {
            after = node(&after, &hash);
        }
        (at, end) = (at >> 1, end >> 1);
    }
    end == 0 && before == *first_root && after == *second_root
}

/// The hash of a leaf: SHA-256 of a zero byte and the entry.
pub fn leaf(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry].concat())
}

/// The hash of an interior node: SHA-256 of a one byte and its children's.
fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left.as_slice(), right].concat())
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> Hash {
    let mut out = [0; 32];
    // SHA-256 is as long as the array.
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// MTH as RFC 6962 §2.1 writes it down.
    fn reference(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [one] => sha256(&[&[0], one.as_slice()].concat()),
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                let (left, right) = (reference(&many[..k]), reference(&many[k..]));
                sha256(&[&[1], left.as_slice(), &right].concat())
            }
        }
    }

    #[test]
    fn it_is_the_tree_of_the_standard_at_every_size() {
        let leaves: Vec<Vec<u8>> = (0..70_u8).map(|at| vec![at; usize::from(at % 5)]).collect();
        let mut tree = Tree::default();
        for size in 0..=leaves.len() {
            assert_eq!(tree.root(), reference(&leaves[..size]), "{size}");
            let again = Tree::of(tree.size(), &tree.peaks()).expect("its own peaks");
            assert_eq!(again, tree, "what is kept is all there is");
            if let Some(entry) = leaves.get(size) {
                tree.push(leaf(entry));
            }
        }
    }

    /// The test vectors of the Certificate Transparency project: eight leaves, and the root after each.
    #[test]
    fn it_is_the_tree_of_others() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        for (entry, root) in leaves.iter().zip(roots) {
            tree.push(leaf(entry));
            assert_eq!(hex(&tree.root()), root, "{}", tree.size());
        }
    }

    /// SUBPROOF as RFC 9162 §2.1.4.1 writes it down.
    fn subproof(old: usize, leaves: &[Vec<u8>], is_whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if is_whole { Vec::new() } else { vec![reference(leaves)] };
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(k);
        let (mut proof, beside) = if old <= k {
            (subproof(old, left, is_whole), reference(right))
        } else {
            (subproof(old - k, right, false), reference(left))
        };
        proof.push(beside);
        proof
    }

    #[test]
    fn a_tree_does_not_go_on_from_one_of_its_own_size() {
        let [first, second, third] = [b"a", b"b", b"c"].map(|entry| leaf(entry));
        let left = node(&first, &second);
        let root = node(&left, &third);
        assert!(!goes_on((3, &root), (3, &root), &[third, left]), "whatever is shown");
    }

    #[test]
    fn it_proves_how_it_goes_on_as_the_standard_does() {
        let leaves: Vec<Vec<u8>> = (0..40_u8).map(|at| vec![at; usize::from(at % 5)]).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|entry| leaf(entry)).collect();
        for old in 0..=leaves.len() {
            let mut tree = Tree::default();
            hashes[..old].iter().for_each(|leaf| tree.push(*leaf));
            for new in old..=leaves.len() {
                let expected = if old == 0 { Vec::new() } else { subproof(old, &leaves[..new], true) };
                assert_eq!(tree.consistency(&hashes[old..new]), expected, "{old} to {new}");
            }
        }
    }

    #[test]
    fn peaks_of_another_size_are_no_tree() {
        let mut tree = Tree::default();
        (0..5).for_each(|at| tree.push(leaf(&[at])));
        let peaks = tree.peaks();
        assert_eq!(Tree::of(7, &peaks), None);
        assert_eq!(Tree::of(5, &peaks[1..]), None);
        assert_eq!(Tree::of(5, &[]), None);
        assert_eq!(Tree::of(0, &[]), Some(Tree::default()));
    }
}
