//! Merkle trees and inclusion paths of RFC 6962 §2.1 (and RFC 9162), over SHA-256.
//!
//! A leaf is `SHA-256(0x00 ‖ bytes)`, a node `SHA-256(0x01 ‖ left ‖ right)`; the left
//! subtree of `n` leaves holds the largest power of two below `n`. The directory's
//! entries and an envelope's wraps are trees of this kind; the hub's log will be one.

use sha2::{Digest, Sha256};

/// 32 bytes of SHA-256.
pub type Hash = [u8; 32];

/// Why a path does not prove a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The index is not below the size.
    #[error("leaf {index} is outside a tree of {size}")]
    OutsideTree {
        /// The leaf's index, from 0.
        index: u64,
        /// How many leaves the tree has.
        size: u64,
    },
    /// The path has another number of hashes than the place in the tree needs.
    #[error("a path of {found} hashes, leaf and size need {needed}")]
    Length {
        /// Hashes found.
        found: usize,
        /// Hashes needed.
        needed: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to another root")]
    Root,
}

/// The hash of a leaf's bytes.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(bytes);
    hash.finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// A whole tree in memory: every level, leaves first.
///
/// A level's odd last hash is carried up as it is, which gives the same shape as
/// splitting at the largest power of two.
#[derive(Debug, Clone)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over these leaf hashes, in order.
    pub fn from_leaf_hashes(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    [last] => *last,
                    _ => [0; 32],
                })
                .collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The tree over these leaves, in order.
    pub fn from_leaves<T: AsRef<[u8]>>(leaves: impl IntoIterator<Item = T>) -> Self {
        Self::from_leaf_hashes(
            leaves
                .into_iter()
                .map(|leaf| leaf_hash(leaf.as_ref()))
                .collect(),
        )
    }

    /// How many leaves there are.
    pub fn len(&self) -> usize {
        self.levels.first().map_or(0, Vec::len)
    }

    /// Whether there are no leaves.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The root; of no leaves, SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        match self.levels.last().map(Vec::as_slice) {
            Some([root]) => *root,
            _ => Sha256::digest(b"").into(),
        }
    }

    /// The path from a leaf to the root, lowest hash first; `None` outside the tree.
    pub fn path(&self, index: usize) -> Option<Vec<Hash>> {
        if index >= self.len() {
            return None;
        }
        let mut place = index;
        let mut path = Vec::new();
        for level in &self.levels {
            path.extend(level.get(place ^ 1));
            place /= 2;
        }
        Some(path)
    }
}

/// Checks that a leaf stands at `index` in the tree of `size` leaves with this root (RFC 9162 §2.1.3.2).
///
/// # Errors
/// [`PathError`].
pub fn verify_path(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), PathError> {
    if index >= size {
        return Err(PathError::OutsideTree { index, size });
    }
    let needed = path_length(index, size);
    if path.len() != needed {
        return Err(PathError::Length {
            found: path.len(),
            needed,
        });
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    let mut siblings = path.iter();
    while last > 0 {
        if place % 2 == 1 {
            hash = siblings.next().map_or(hash, |left| node_hash(left, &hash));
        } else if place < last {
            hash = siblings
                .next()
                .map_or(hash, |right| node_hash(&hash, right));
        }
        place /= 2;
        last /= 2;
    }
    if hash == *root {
        Ok(())
    } else {
        Err(PathError::Root)
    }
}

/// How many hashes the path of a leaf has; `index` is below `size`.
fn path_length(index: u64, size: u64) -> usize {
    let (mut place, mut last, mut length) = (index, size - 1, 0);
    while last > 0 {
        length += usize::from(place % 2 == 1 || place < last);
        place /= 2;
        last /= 2;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6962 §2.1, word for word, as the judge of the level-by-level tree.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest(b"").into(),
            [only] => *only,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// The test tree of Certificate Transparency's reference implementation.
    #[test]
    fn known_roots() {
        let data: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let root = |count: usize| hex(&Tree::from_leaves(&data[..count]).root());
        assert_eq!(
            root(1),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            root(2),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
        assert_eq!(
            root(3),
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
        );
        assert_eq!(
            root(8),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_path_of_every_small_tree() {
        for size in 0..70 {
            let tree = Tree::from_leaf_hashes(leaves(size));
            assert_eq!(tree.root(), by_definition(&leaves(size)));
            for (index, leaf) in leaves(size).iter().enumerate() {
                let path = tree.path(index).unwrap();
                let (index, size) = (index as u64, size as u64);
                verify_path(leaf, index, size, &path, &tree.root()).unwrap();
                if size > 1 {
                    let other = (index + 1) % size;
                    assert!(verify_path(leaf, other, size, &path, &tree.root()).is_err());
                }
            }
            assert!(tree.path(size).is_none());
        }
    }

    proptest! {
        #[test]
        fn a_changed_path_proves_nothing(size in 1usize..200, index in 0usize..200, at in 0usize..10, bit in 0usize..256) {
            let index = index % size;
            let tree = Tree::from_leaf_hashes(leaves(size));
            let mut path = tree.path(index).unwrap();
            prop_assume!(!path.is_empty());
            let at = at % path.len();
            path[at][bit / 8] ^= 1 << (bit % 8);
            let leaf = leaf_hash(&index.to_be_bytes());
            prop_assert_eq!(verify_path(&leaf, index as u64, size as u64, &path, &tree.root()), Err(PathError::Root));
        }

        #[test]
        fn no_numbers_panic(index: u64, size: u64, length in 0usize..70) {
            let path = vec![[0; 32]; length];
            let _ = verify_path(&[0; 32], index, size, &path, &[0; 32]);
        }
    }
}
