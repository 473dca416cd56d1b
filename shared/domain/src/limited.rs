//! Packages of which there are only so many.
//!
//! A package's stock is spread over shards, so that a rush of buyers does not queue at
//! one item. Of each shard, and so of the whole, `free + held + sold` is what was
//! offered, at every moment: units only move between the three.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Rejection,
    catalog::Text,
    purchase::{Granted, Price, Taken},
};

/// How long stock is kept back for a purchase that is not paid yet.
pub const HELD_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The most shards that a stock is spread over: each may be part of one transaction.
pub const MOST_SHARDS: u16 = 32;

/// A package on offer. It does not change once it is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub code: String,
    pub name: Text,
    pub description: Text,
    /// Of one.
    pub price: Price,
    /// What one gives.
    pub grants: Granted,
    /// How many there are.
    pub stock: u32,
    /// Over how many shards the stock is spread.
    pub shards: u16,
    /// How many one player may buy in all.
    pub per_user_cap: u32,
    pub starts_at: Timestamp,
    /// The first instant at which it is no longer sold.
    pub ends_at: Timestamp,
}

impl Package {
    /// Whether it is sold at `now`.
    ///
    /// # Errors
    /// [`Rejection::SaleNotOpen`], [`Rejection::SaleOver`].
    pub fn on_sale(&self, now: Timestamp) -> Result<(), Rejection> {
        if now < self.starts_at {
            return Err(Rejection::SaleNotOpen { starts_at: self.starts_at });
        }
        if now >= self.ends_at {
            return Err(Rejection::SaleOver);
        }
        Ok(())
    }

    /// What each shard begins with: as even as whole numbers allow.
    pub fn spread(&self) -> impl Iterator<Item = Shard> + use<> {
        let (stock, shards) = (self.stock, u32::from(self.shards.max(1)));
        (0..self.shards.max(1)).map(move |shard| {
            let free = stock / shards + u32::from(u32::from(shard) < stock % shards);
            Shard { shard, free, held: 0, sold: 0 }
        })
    }
}

/// One shard of a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    pub shard: u16,
    pub free: u32,
    pub held: u32,
    pub sold: u32,
}

/// Where to take `units` from, beginning at a shard that `start` chooses, so that
/// buyers spread.
///
/// # Errors
/// [`Rejection::SoldOut`] when there are not so many.
pub fn allot(shards: &[Shard], units: u32, start: u64) -> Result<Vec<Taken>, Rejection> {
    let mut shards: Vec<_> = shards.iter().filter(|shard| shard.free > 0).collect();
    shards.sort_unstable_by_key(|shard| shard.shard);
    let mut missing = units;
    let mut taken = Vec::new();
    if !shards.is_empty() {
        let first = usize::try_from(start % shards.len() as u64).unwrap_or(0);
        shards.rotate_left(first);
        // One shard that has them all is one item less to wait for.
        if let Some(whole) = shards.iter().find(|shard| shard.free >= units) {
            return Ok(vec![Taken { shard: whole.shard, units }]);
        }
    }
    for shard in shards {
        let units = shard.free.min(missing);
        missing -= units;
        taken.push(Taken { shard: shard.shard, units });
        if missing == 0 {
            return Ok(taken);
        }
    }
    Err(Rejection::SoldOut)
}

/// A code that makes a package cheaper, a number of times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promo {
    pub code: String,
    /// The package it is for.
    pub package: String,
    /// Of one, in the same money as the package's.
    pub price: Price,
    pub uses_left: u32,
    pub ends_at: Timestamp,
}

impl Promo {
    /// Whether it is good at `now`. The commit asks for its uses again.
    ///
    /// # Errors
    /// [`Rejection::InvalidPromoCode`].
    pub fn admits(&self, package: &str, now: Timestamp) -> Result<(), Rejection> {
        let good = self.package == package && self.uses_left > 0 && now < self.ends_at;
        if good { Ok(()) } else { Err(Rejection::InvalidPromoCode) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(free: &[u32]) -> Vec<Shard> {
        let shard = |(shard, free): (usize, &u32)| Shard {
            shard: u16::try_from(shard).expect("few"),
            free: *free,
            held: 0,
            sold: 0,
        };
        free.iter().enumerate().map(shard).collect()
    }

    fn taken(free: &[u32], units: u32, start: u64) -> Result<Vec<(u16, u32)>, Rejection> {
        let taken = allot(&shards(free), units, start)?;
        Ok(taken.iter().map(|taken| (taken.shard, taken.units)).collect())
    }

    #[test]
    fn units_come_from_one_shard_if_one_has_them_all() {
        assert_eq!(taken(&[1, 3, 3], 2, 0), Ok(vec![(1, 2)]));
        assert_eq!(taken(&[1, 3, 3], 2, 2), Ok(vec![(2, 2)]));
        assert_eq!(taken(&[1, 0, 0], 1, 7), Ok(vec![(0, 1)]));
    }

    #[test]
    fn units_come_from_several_shards_if_none_has_enough() {
        assert_eq!(taken(&[2, 0, 1, 2], 5, 0), Ok(vec![(0, 2), (2, 1), (3, 2)]));
        assert_eq!(taken(&[2, 0, 1, 2], 3, 2), Ok(vec![(3, 2), (0, 1)]));
    }

    #[test]
    fn what_is_not_there_is_sold_out() {
        assert_eq!(taken(&[], 1, 3), Err(Rejection::SoldOut));
        assert_eq!(taken(&[0, 0], 1, 3), Err(Rejection::SoldOut));
        assert_eq!(taken(&[1, 1], 3, 3), Err(Rejection::SoldOut));
    }

    proptest::proptest! {
        #[test]
        fn an_allotment_is_whole_and_never_more_than_is_free(
            free in proptest::collection::vec(0_u32..5, 0..8), units in 1_u32..9, start: u64,
        ) {
            let there: u32 = free.iter().sum();
            match allot(&shards(&free), units, start) {
                Ok(taken) => {
                    proptest::prop_assert_eq!(taken.iter().map(|t| t.units).sum::<u32>(), units);
                    for taken in taken {
                        proptest::prop_assert!(taken.units > 0);
                        proptest::prop_assert!(taken.units <= free[usize::from(taken.shard)]);
                    }
                }
                Err(rejection) => {
                    proptest::prop_assert_eq!(rejection, Rejection::SoldOut);
                    proptest::prop_assert!(there < units);
                }
            }
        }

        #[test]
        fn a_spread_is_the_whole_stock_and_even(stock: u32, shards in 1_u16..=MOST_SHARDS) {
            let text = Text { ko: String::new(), en: String::new() };
            let package = Package {
                code: String::new(), name: text.clone(), description: text,
                price: Price::Gold(crate::Gold::new(1)), grants: Granted::default(),
                stock, shards, per_user_cap: 1,
                starts_at: Timestamp::MIN, ends_at: Timestamp::MAX,
            };
            let free: Vec<u32> = package.spread().map(|shard| shard.free).collect();
            proptest::prop_assert_eq!(free.len(), usize::from(shards));
            proptest::prop_assert_eq!(free.iter().map(|f| u64::from(*f)).sum::<u64>(), u64::from(stock));
            let (least, most) = (free.iter().min().unwrap(), free.iter().max().unwrap());
            proptest::prop_assert!(most - least <= 1);
        }
    }
}
