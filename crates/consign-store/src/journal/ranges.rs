//! A set of numbers that mostly follow each other.

use std::collections::BTreeMap;

/// Numbers, kept as ranges that neither meet nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Takes a number in.
    pub(crate) fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        let (mut first, mut last) = (number, number);
        if let Some(before) = number.checked_sub(1)
            && let Some(begin) = self.range_with(before)
        {
            first = begin;
        }
        if let Some(end) = number.checked_add(1).and_then(|next| self.0.remove(&next)) {
            last = end;
        }
        self.0.insert(first, last);
    }

    /// Whether a number is in the set.
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.range_with(number).is_some()
    }

    /// The ranges, first and last number each, ascending.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + '_ {
        self.0.iter().map(|(first, last)| (*first, *last))
    }

    /// The set of ranges that ascend, do not meet, and are not empty; `None` for others.
    pub(crate) fn from_ranges(ranges: impl Iterator<Item = (u64, u64)>) -> Option<Self> {
        let mut set = BTreeMap::new();
        let mut free = 0;
        for (first, last) in ranges {
            if first < free || last < first {
                return None;
            }
            // Two that meet would be one.
            free = last.checked_add(2)?;
            set.insert(first, last);
        }
        Some(Self(set))
    }

    /// Where the range begins that holds a number.
    fn range_with(&self, number: u64) -> Option<u64> {
        let (first, last) = self.0.range(..=number).next_back()?;
        (*last >= number).then_some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_are_a_set(numbers in proptest::collection::vec(0..40_u64, 0..60)) {
            let set: BTreeSet<u64> = numbers.iter().copied().collect();
            let mut ranges = Ranges::default();
            numbers.iter().for_each(|number| ranges.insert(*number));
            for number in 0..42 {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            prop_assert_eq!(Ranges::from_ranges(ranges.iter()), Some(ranges));
        }
    }

    #[test]
    fn ranges_have_one_form() {
        for ranges in [
            &[(3, 2)][..],
            &[(1, 2), (2, 3)],
            &[(1, 2), (3, 4)],
            &[(5, 6), (1, 2)],
        ] {
            assert_eq!(
                Ranges::from_ranges(ranges.iter().copied()),
                None,
                "{ranges:?}"
            );
        }
    }
}
