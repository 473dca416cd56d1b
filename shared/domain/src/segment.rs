//! Who a player is to the shop: recency, frequency and money (RFM), and what is
//! recommended to them.
//!
//! Bounds instead of quantiles: what a player is does not depend on who else plays, so a
//! run that is late or comes twice says the same.

use serde::{Deserialize, Serialize};

use crate::{
    catalog,
    event_type::{LOGIN, PURCHASE_SUCCEEDED, ROUND_SETTLED, SIGNUP, STREAK_CLAIM},
};

/// Days that money counts for, up to today.
pub const WINDOW_DAYS: i32 = 90;
/// Days that active days are counted in, up to today.
pub const FREQUENCY_DAYS: i32 = 30;
/// For so many days who has signed up is new, up to today.
pub const NEW_DAYS: i32 = 7;

/// Types of the events that are actions here. Not what [`crate::Fact::is_action`] says:
/// signing out, settings and an operator's work do not count to the shop, and a purchase
/// with money does when it is paid, not when it begins.
pub const ACTIONS: [&str; 5] = [SIGNUP, LOGIN, STREAK_CLAIM, ROUND_SETTLED, PURCHASE_SUCCEEDED];

/// What the event store knows of a player.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Days since the last of [`ACTIONS`]; 0 is today.
    pub days_since_action: u32,
    /// Of the last [`FREQUENCY_DAYS`], how many had one.
    pub active_days: u32,
    /// Money paid within [`WINDOW_DAYS`], less what was given back, in the smallest unit
    /// of the currency that segments go by.
    pub paid_minor: i64,
    /// Signed up within [`NEW_DAYS`].
    pub is_new: bool,
    /// What was bought within [`WINDOW_DAYS`].
    pub bought: Vec<String>,
}

/// From 1, the least, to 5 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores {
    pub recency: u8,
    pub frequency: u8,
    pub monetary: u8,
}

/// A group of players who are alike to the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// Has signed up within a week.
    Newcomer,
    /// Plays often and of late, and pays.
    Champion,
    /// Pays, if not often there.
    BigSpender,
    /// Plays often and of late.
    Loyal,
    /// Played often or paid, and stays away.
    AtRisk,
    /// Has been away for more than two weeks.
    Lost,
    /// Anybody else.
    Casual,
}

/// Why a product is recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    KeepYourStreak,
    FirstPack,
    BestValue,
    WelcomeBack,
    ShowYourself,
}

/// A product, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommendation {
    pub product: String,
    pub reason: Reason,
}

impl Figures {
    /// Where the player stands on each scale.
    #[must_use]
    pub const fn scores(&self) -> Scores {
        Scores {
            recency: match self.days_since_action {
                0..=1 => 5,
                2..=3 => 4,
                4..=7 => 3,
                8..=14 => 2,
                _ => 1,
            },
            frequency: match self.active_days {
                20.. => 5,
                10..=19 => 4,
                5..=9 => 3,
                2..=4 => 2,
                _ => 1,
            },
            monetary: match self.paid_minor {
                100_000.. => 5,
                50_000..=99_999 => 4,
                10_000..=49_999 => 3,
                1..=9_999 => 2,
                _ => 1,
            },
        }
    }

    /// Which group the player is of.
    #[must_use]
    pub const fn segment(&self) -> Segment {
        let Scores { recency, frequency, monetary } = self.scores();
        match (recency, frequency, monetary) {
            _ if self.is_new => Segment::Newcomer,
            (4.., 4.., 3..) => Segment::Champion,
            (..=2, 3.., _) | (..=2, _, 3..) => Segment::AtRisk,
            (..=1, ..) => Segment::Lost,
            (_, _, 4..) => Segment::BigSpender,
            (4.., 4.., _) => Segment::Loyal,
            _ => Segment::Casual,
        }
    }

    /// What the shop recommends, best first. What one has and needs only once is left out.
    #[must_use]
    pub fn recommendations(&self) -> Vec<Recommendation> {
        recommended(self.segment()).filter(|of| !self.has(&of.product)).collect()
    }

    fn has(&self, product: &str) -> bool {
        let once = catalog::product(product).is_some_and(|product| product.max_quantity == 1);
        once && self.bought.iter().any(|bought| bought == product)
    }
}

/// What is recommended to a segment.
fn recommended(segment: Segment) -> impl Iterator<Item = Recommendation> {
    use Reason::{BestValue, FirstPack, KeepYourStreak, ShowYourself, WelcomeBack};
    let products: &[(&str, Reason)] = match segment {
        Segment::Newcomer => &[
            ("streak_shield", KeepYourStreak),
            ("gold_pack_1000", FirstPack),
            ("neon_frame", ShowYourself),
        ],
        Segment::Champion => &[
            ("gold_pack_12000", BestValue),
            ("lucky_cat_avatar", ShowYourself),
            ("neon_frame", ShowYourself),
            ("streak_shield", KeepYourStreak),
        ],
        Segment::BigSpender => &[
            ("gold_pack_12000", BestValue),
            ("lucky_cat_avatar", ShowYourself),
            ("streak_shield", KeepYourStreak),
        ],
        Segment::Loyal => &[
            ("streak_shield", KeepYourStreak),
            ("lucky_cat_avatar", ShowYourself),
            ("neon_frame", ShowYourself),
            ("gold_pack_5500", BestValue),
        ],
        Segment::AtRisk | Segment::Lost => &[
            ("gold_pack_1000", WelcomeBack),
            ("streak_shield", KeepYourStreak),
            ("neon_frame", ShowYourself),
        ],
        Segment::Casual => &[
            ("streak_shield", KeepYourStreak),
            ("neon_frame", ShowYourself),
            ("gold_pack_1000", BestValue),
        ],
    };
    products.iter().map(|&(product, reason)| Recommendation { product: product.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Segment; 7] = [
        Segment::Newcomer,
        Segment::Champion,
        Segment::BigSpender,
        Segment::Loyal,
        Segment::AtRisk,
        Segment::Lost,
        Segment::Casual,
    ];

    fn figures(days_since_action: u32, active_days: u32, paid_minor: i64) -> Figures {
        Figures { days_since_action, active_days, paid_minor, ..Figures::default() }
    }

    #[test]
    fn bounds_belong_to_the_better_score() {
        let scores = |days, active, paid| {
            let Scores { recency, frequency, monetary } = figures(days, active, paid).scores();
            (recency, frequency, monetary)
        };
        assert_eq!(scores(0, 30, 100_000), (5, 5, 5));
        assert_eq!(scores(1, 20, i64::MAX), (5, 5, 5));
        assert_eq!(scores(3, 19, 99_999), (4, 4, 4));
        assert_eq!(scores(7, 9, 49_999), (3, 3, 3));
        assert_eq!(scores(14, 4, 9_999), (2, 2, 2));
        assert_eq!(scores(15, 1, 0), (1, 1, 1));
        // More was given back than paid: the payment is older than the window.
        assert_eq!(scores(u32::MAX, 0, i64::MIN), (1, 1, 1));
    }

    #[test]
    fn each_segment_has_its_players() {
        for (of, segment) in [
            (figures(0, 20, 100_000), Segment::Champion),
            (figures(3, 10, 10_000), Segment::Champion),
            (figures(3, 10, 0), Segment::Loyal),
            (figures(5, 1, 50_000), Segment::BigSpender),
            (figures(8, 5, 0), Segment::AtRisk),
            (figures(30, 0, 10_000), Segment::AtRisk),
            (figures(15, 1, 0), Segment::Lost),
            (figures(8, 1, 0), Segment::Casual),
            (figures(0, 1, 0), Segment::Casual),
        ] {
            assert_eq!(of.segment(), segment, "{of:?}");
            assert_eq!(Figures { is_new: true, ..of }.segment(), Segment::Newcomer);
        }
    }

    #[test]
    fn what_is_recommended_is_for_sale() {
        for segment in ALL {
            let all: Vec<_> = recommended(segment).collect();
            assert!((3..=4).contains(&all.len()), "{segment:?}");
            for Recommendation { product, .. } in all {
                assert!(catalog::product(&product).is_some(), "{product}");
            }
        }
    }

    #[test]
    fn what_one_has_is_not_recommended_unless_one_needs_more() {
        let mut casual = figures(0, 1, 0);
        casual.bought = vec!["neon_frame".to_owned(), "streak_shield".to_owned()];
        let products: Vec<_> = casual.recommendations().into_iter().map(|of| of.product).collect();
        assert_eq!(products, ["streak_shield", "gold_pack_1000"]);
    }
}
