//! A million spins against the exact odds.
//!
//! The draws are the ones players get: consecutive nonces of one seed pair. The
//! seed is fixed, so a run that passes passes always.

use std::collections::BTreeMap;

use domain::{
    PlayerId,
    fairness::{Draws, MasterKey},
    slot::PAYTABLE,
};

const SPINS: u64 = 1_000_000;

/// Upper critical values of the chi-square distribution at 0.1 %, in
/// thousandths, by degrees of freedom. Source: NIST/SEMATECH e-Handbook of
/// Statistical Methods, table 1.3.6.7.4, column 0.999.
const CRITICAL: [(usize, i128); 3] = [(4, 18_467), (6, 22_458), (24, 51_179)];

fn critical(degrees_of_freedom: usize) -> i128 {
    let found = CRITICAL.iter().find(|(degrees, _)| *degrees == degrees_of_freedom);
    found.unwrap_or_else(|| panic!("look up chi-square for {degrees_of_freedom} degrees")).1
}

/// Asserts that `observed` counts of outcomes that have `ways` out of `all` fit.
///
/// The statistic `Σ (observed - expected)² / expected` with
/// `expected = SPINS · ways / all` is computed in whole thousandths.
fn fits<K: Ord + std::fmt::Debug>(
    what: &str,
    observed: &BTreeMap<K, u64>,
    ways: &BTreeMap<K, u64>,
) {
    let all: u64 = ways.values().sum();
    assert!(observed.keys().all(|key| ways.contains_key(key)), "{what}: {observed:?}");
    let statistic: i128 = ways
        .iter()
        .map(|(key, ways)| {
            let (seen, expected) = (observed.get(key).copied().unwrap_or(0), SPINS * ways);
            let difference = i128::from(seen) * i128::from(all) - i128::from(expected);
            1000 * difference * difference / (i128::from(expected) * i128::from(all))
        })
        .sum();
    let limit = critical(ways.len() - 1);
    assert!(statistic < limit, "{what}: {statistic} ≥ {limit} thousandths; {observed:?}");
}

/// Counts of what `of` sees in the outcomes.
fn tally<K: Ord>(
    outcomes: &BTreeMap<Vec<String>, u64>,
    of: impl Fn(&[String]) -> K,
) -> BTreeMap<K, u64> {
    let mut tally = BTreeMap::new();
    for (reels, count) in outcomes {
        *tally.entry(of(reels)).or_default() += count;
    }
    tally
}

#[test]
fn a_million_spins_fall_as_the_exact_odds_say() {
    let seed = MasterKey::new([42; 32]).server_seed(PlayerId::from_bytes([1; 16]), 1);
    let spin = |nonce| PAYTABLE.spin(&mut Draws::new(&seed, "a client seed", nonce));
    let mut outcomes: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    let mut successors: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut last = spin(0);
    for nonce in 1..=SPINS {
        let reels = spin(nonce);
        *successors.entry((last.swap_remove(0), reels[0].clone())).or_default() += 1;
        match outcomes.get_mut(&reels) {
            Some(count) => *count += 1,
            None => drop(outcomes.insert(reels.clone(), 1)),
        }
        last = reels;
    }

    let odds = PAYTABLE.odds().into_iter().map(|(multiplier, odds)| (multiplier, odds.numerator));
    fits("multipliers", &tally(&outcomes, |reels| PAYTABLE.multiplier(reels)), &odds.collect());
    let stops = |reel: usize| -> BTreeMap<String, u64> {
        PAYTABLE.reels[reel].iter().map(|(symbol, n)| (symbol.clone(), u64::from(*n))).collect()
    };
    for reel in 0..PAYTABLE.reels.len() {
        let seen = tally(&outcomes, |reels| reels[reel].clone());
        fits(&format!("symbols of reel {reel}"), &seen, &stops(reel));
    }
    let pairs = |first: usize, second: usize| -> BTreeMap<(String, String), u64> {
        let (first, second) = (stops(first), stops(second));
        let pair = |(a, m): (&String, &u64)| {
            let a = (a.clone(), *m);
            second.iter().map(move |(b, n)| ((a.0.clone(), b.clone()), a.1 * n)).collect::<Vec<_>>()
        };
        first.iter().flat_map(pair).collect()
    };
    for (first, second) in [(0, 1), (1, 2), (0, 2)] {
        let seen = tally(&outcomes, |reels| (reels[first].clone(), reels[second].clone()));
        fits(&format!("reels {first} and {second}"), &seen, &pairs(first, second));
    }
    fits("one reel, spin after spin", &successors, &pairs(0, 0));
}
