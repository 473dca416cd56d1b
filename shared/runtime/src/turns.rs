//! Batches that keep the order of each key even when a part of one fails.

use std::collections::HashMap;

/// The indices of `items` in batches of at most `most`, to be sent one after the
/// other. No batch holds two items of one key, and those of a key are in order.
///
/// The batch calls of Kinesis and SQS may take an item and refuse one before it.
/// With one item of a key in each call, whoever stops at the first batch that is
/// not taken whole has sent no item of any key before an earlier one.
///
/// # Panics
/// When `most` is 0.
#[must_use]
pub fn in_turns<T, K: std::hash::Hash + Eq>(
    items: &[T],
    most: usize,
    key: impl Fn(&T) -> K,
) -> Vec<Vec<usize>> {
    assert!(most > 0, "a batch holds at least one item");
    let mut turns: Vec<Vec<usize>> = Vec::new();
    let mut next: HashMap<K, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let turn = next.entry(key(item)).or_default();
        while turns.get(*turn).is_some_and(|batch| batch.len() == most) {
            *turn += 1;
        }
        if *turn == turns.len() {
            turns.push(Vec::new());
        }
        turns[*turn].push(index);
        *turn += 1;
    }
    turns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn different_keys_go_together_and_one_key_takes_turns() {
        let keys = ["a", "b", "a", "c", "a", "b"];
        let turns = in_turns(&keys, 10, |key| *key);
        assert_eq!(turns, [vec![0, 1, 3], vec![2, 5], vec![4]]);
        assert_eq!(in_turns(&keys, 2, |key| *key), [vec![0, 1], vec![2, 3], vec![4, 5]]);
        assert!(in_turns::<u8, u8>(&[], 1, |key| *key).is_empty());
    }

    proptest! {
        #[test]
        fn everything_goes_once_and_in_the_order_of_its_key(
            keys in proptest::collection::vec(0_u8..5, 0..60), most in 1_usize..12,
        ) {
            let turns = in_turns(&keys, most, |key| *key);
            let mut seen = vec![None; keys.len()];
            for (turn, batch) in turns.iter().enumerate() {
                prop_assert!(!batch.is_empty() && batch.len() <= most);
                for &index in batch {
                    prop_assert!(seen[index].replace(turn).is_none());
                }
            }
            for (index, key) in keys.iter().enumerate() {
                prop_assert!(seen[index].is_some());
                let before = (0..index).filter(|&earlier| keys[earlier] == *key);
                for earlier in before {
                    prop_assert!(seen[earlier] < seen[index]);
                }
            }
        }
    }
}
