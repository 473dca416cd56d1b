//! The slot's paytable, as data, and what it amounts to.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::fairness::Draws;

/// The paytable in force. Shown odds, played odds and tested odds are read from it.
pub static PAYTABLE: LazyLock<Paytable> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/slot.json")).expect("the built-in paytable parses")
});

/// Reels, their weights, and what pays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paytable {
    /// Stored with every round.
    pub version: String,
    /// Smallest bet, gold.
    pub min_bet: i64,
    /// Largest bet, gold.
    pub max_bet: i64,
    /// For each reel, the number of stops that show a symbol.
    pub reels: Vec<BTreeMap<String, u32>>,
    /// Best first: the first line that fits pays.
    pub pays: Vec<Pay>,
}

/// `count` or more of `symbol`, anywhere, pay `multiplier` times the bet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pay {
    pub symbol: String,
    pub count: usize,
    pub multiplier: u32,
}

/// A ratio of whole numbers: a probability or a return to player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    pub numerator: u64,
    pub denominator: u64,
}

impl Paytable {
    /// The paytable with this version, if it is known.
    #[must_use]
    pub fn version(version: &str) -> Option<&'static Self> {
        (PAYTABLE.version == version).then_some(&*PAYTABLE)
    }

    /// Spins: one draw a reel.
    #[must_use]
    pub fn spin(&self, draws: &mut Draws<'_>) -> Vec<String> {
        self.reels
            .iter()
            .map(|stops| {
                let mut stop = draws.below(stops.values().sum());
                for (symbol, weight) in stops {
                    if stop < *weight {
                        return symbol.clone();
                    }
                    stop -= weight;
                }
                unreachable!("the draw is below the number of stops")
            })
            .collect()
    }

    /// What these symbols pay, as a multiple of the bet.
    #[must_use]
    pub fn multiplier<S: AsRef<str>>(&self, symbols: &[S]) -> u32 {
        self.pays
            .iter()
            .find(|pay| {
                symbols.iter().filter(|symbol| symbol.as_ref() == pay.symbol).count() >= pay.count
            })
            .map_or(0, |pay| pay.multiplier)
    }

    /// The exact chance of every multiplier, by enumerating all stops.
    #[must_use]
    pub fn odds(&self) -> BTreeMap<u32, Ratio> {
        let denominator =
            self.reels.iter().map(|stops| u64::from(stops.values().sum::<u32>())).product();
        let mut ways: Vec<(Vec<&str>, u64)> = vec![(Vec::new(), 1)];
        for stops in &self.reels {
            ways = ways
                .iter()
                .flat_map(|(symbols, count)| {
                    stops.iter().map(move |(symbol, weight)| {
                        let mut symbols = symbols.clone();
                        symbols.push(symbol.as_str());
                        (symbols, count * u64::from(*weight))
                    })
                })
                .collect();
        }
        let mut odds = BTreeMap::new();
        for (symbols, count) in ways {
            odds.entry(self.multiplier(&symbols))
                .or_insert(Ratio { numerator: 0, denominator })
                .numerator += count;
        }
        odds
    }

    /// The exact return to player.
    #[must_use]
    pub fn return_to_player(&self) -> Ratio {
        let odds = self.odds();
        Ratio {
            numerator: odds
                .iter()
                .map(|(multiplier, odds)| u64::from(*multiplier) * odds.numerator)
                .sum(),
            denominator: odds.values().next().map_or(1, |odds| odds.denominator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_return_to_player_is_exactly_what_enumeration_says() {
        let rtp = PAYTABLE.return_to_player();
        assert_eq!(rtp, Ratio { numerator: 31_460, denominator: 32_768 }, "0.96008…");
    }

    #[test]
    fn the_odds_cover_every_stop_once() {
        let odds = PAYTABLE.odds();
        assert_eq!(odds.values().map(|odds| odds.numerator).sum::<u64>(), 32 * 32 * 32);
    }

    #[test]
    fn the_first_line_that_fits_pays() {
        for (symbols, multiplier) in [
            (["seven", "seven", "seven"], 250),
            (["star", "star", "star"], 50),
            (["bell", "bell", "bell"], 20),
            (["lemon", "lemon", "lemon"], 10),
            (["cherry", "cherry", "cherry"], 5),
            (["cherry", "seven", "cherry"], 1),
            (["cherry", "seven", "bell"], 0),
            (["seven", "seven", "bell"], 0),
        ] {
            assert_eq!(PAYTABLE.multiplier(&symbols), multiplier, "{symbols:?}");
        }
    }

    #[test]
    fn an_unknown_version_is_unknown() {
        assert!(Paytable::version("slot-0").is_none());
        assert!(Paytable::version("slot-1").is_some());
    }
}
