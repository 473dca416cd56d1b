//! The daily streak: what a day pays, and what a missed day costs.

use jiff::civil::Date;

use crate::{Gold, player::Streak};

/// The formula behind the tables, stored with every claim:
/// gold `1000 + 800*(1-e^(-s/6))`, experience `50 + 40*(1-e^(-s/8))`, both
/// rounded half to even, `s` being the streak after the claim.
pub const FORMULA: &str = "C_exp_decay_v1";

/// Gold by streak; the last value holds from there on.
const GOLD: [i64; 46] = [
    1000, 1123, 1227, 1315, 1389, 1452, 1506, 1551, 1589, 1621, 1649, 1672, 1692, 1708, 1722, 1734,
    1744, 1753, 1760, 1766, 1771, 1776, 1780, 1783, 1785, 1788, 1790, 1791, 1792, 1794, 1795, 1795,
    1796, 1797, 1797, 1798, 1798, 1798, 1799, 1799, 1799, 1799, 1799, 1799, 1799, 1800,
];

/// Experience by streak; the last value holds from there on.
const XP: [u32; 37] = [
    50, 55, 59, 63, 66, 69, 71, 73, 75, 77, 79, 80, 81, 82, 83, 84, 85, 85, 86, 86, 87, 87, 87, 88,
    88, 88, 88, 89, 89, 89, 89, 89, 89, 89, 89, 89, 90,
];

/// What a claim pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reward {
    pub gold: Gold,
    pub xp: u32,
}

/// What the claim that makes the streak `count` pays.
#[must_use]
pub fn reward(count: u32) -> Reward {
    let index = count as usize;
    Reward { gold: Gold::new(GOLD[index.min(GOLD.len() - 1)]), xp: XP[index.min(XP.len() - 1)] }
}

/// How a streak stands on a day, before that day is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The day is claimed already.
    Claimed,
    /// No day was missed.
    Unbroken,
    /// `days` were missed and as many protections cover them.
    Protected { days: u32 },
    /// More days were missed than protections could cover. They were used up one
    /// by one before the streak broke, as they are when every night is settled by
    /// itself.
    Broken { protections_used: u32 },
}

impl Streak {
    /// How the streak stands on `today`.
    #[must_use]
    pub fn standing(&self, today: Date) -> Standing {
        let Some(last_day) = self.last_day else { return Standing::Unbroken };
        if last_day >= today {
            // Also when the caller's clock runs behind the one of the last claim.
            return Standing::Claimed;
        }
        let missed = u32::try_from((today - last_day).get_days() - 1).unwrap_or(0);
        match missed {
            0 => Standing::Unbroken,
            // No streak, so nothing that a protection could keep.
            _ if self.count == 0 => Standing::Broken { protections_used: 0 },
            days if days <= self.protections => Standing::Protected { days },
            _ => Standing::Broken { protections_used: self.protections },
        }
    }

    /// The protections left on `today`, before that day is claimed.
    #[must_use]
    pub fn protections_left(&self, today: Date) -> u32 {
        let used = match self.standing(today) {
            Standing::Claimed | Standing::Unbroken => 0,
            Standing::Protected { days } => days,
            Standing::Broken { protections_used } => protections_used,
        };
        self.protections.saturating_sub(used)
    }

    /// The streak that a claim on `today` would make, and the protections it uses.
    #[must_use]
    pub fn after_claim(&self, today: Date) -> (u32, u32) {
        match self.standing(today) {
            Standing::Claimed => (self.count, 0),
            Standing::Unbroken => (self.count.saturating_add(1), 0),
            Standing::Protected { days } => (self.count.saturating_add(1), days),
            Standing::Broken { protections_used } => (1, protections_used),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_types,
        clippy::cast_possible_truncation,
        reason = "the formula as published"
    )]
    fn the_tables_are_the_formula() {
        for count in 0..200_u32 {
            let s = f64::from(count);
            let gold = 800f64.mul_add(1.0 - (-s / 6.0).exp(), 1000.0).round_ties_even();
            let xp = 40f64.mul_add(1.0 - (-s / 8.0).exp(), 50.0).round_ties_even();
            let reward = reward(count);
            assert_eq!(reward.gold.units(), gold as i64, "gold at {count}");
            assert_eq!(i64::from(reward.xp), xp as i64, "xp at {count}");
        }
    }

    #[test]
    fn a_streak_stands_as_its_missed_days_say() {
        let today = date(2026, 11, 21);
        let streak =
            |count, protections, last_day| Streak { count, longest: count, protections, last_day };
        for (streak, standing, after) in [
            (streak(0, 0, None), Standing::Unbroken, (1, 0)),
            (streak(3, 0, Some(date(2026, 11, 20))), Standing::Unbroken, (4, 0)),
            (streak(3, 0, Some(date(2026, 11, 21))), Standing::Claimed, (3, 0)),
            (streak(3, 0, Some(date(2026, 11, 22))), Standing::Claimed, (3, 0)),
            (
                streak(3, 0, Some(date(2026, 11, 19))),
                Standing::Broken { protections_used: 0 },
                (1, 0),
            ),
            (streak(3, 1, Some(date(2026, 11, 19))), Standing::Protected { days: 1 }, (4, 1)),
            (
                streak(3, 1, Some(date(2026, 11, 18))),
                Standing::Broken { protections_used: 1 },
                (1, 1),
            ),
            (
                streak(0, 5, Some(date(2026, 11, 19))),
                Standing::Broken { protections_used: 0 },
                (1, 0),
            ),
            (streak(3, 400, Some(date(2025, 11, 19))), Standing::Protected { days: 366 }, (4, 366)),
        ] {
            assert_eq!(streak.standing(today), standing, "{streak:?}");
            assert_eq!(streak.after_claim(today), after, "{streak:?}");
        }
    }
}
