//! The decision: a function of rules and features.

use serde::{Deserialize, Serialize};

use super::{Features, Rules};

/// What becomes of an attempt; each is stricter than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It goes through.
    Allow,
    /// It goes through, flagged for a person to look at.
    Review,
    /// It is refused for a while.
    SoftBlock,
    /// It is refused.
    HardBlock,
}

impl Action {
    /// Every action there is, the mildest first.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Review, Self::SoftBlock, Self::HardBlock];

    /// As it is stored and answered.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Review => "review",
            Self::SoftBlock => "soft_block",
            Self::HardBlock => "hard_block",
        }
    }
}

/// What was decided, by which rules, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The scores of all rules that matched.
    pub score: u32,
    pub action: Action,
    /// In the document's order.
    pub matched: Vec<Matched>,
    /// 0 for the rules that are built in.
    pub rules_version: u32,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// The rule's id.
    pub rule: String,
    pub score: u32,
    /// The rule in words, and the numbers it matched by.
    pub explanation: String,
}

/// Decides. Total, and never overflows: a rule that matches adds its score, and the
/// strictest threshold that the sum reaches says what is done.
#[must_use]
pub fn assess(rules: &Rules, features: &Features) -> Decision {
    let matched: Vec<_> = rules.matching(features).collect();
    let score = matched.iter().fold(0_u32, |sum, matched| sum.saturating_add(matched.score));
    let thresholds = rules.thresholds();
    let reached = |threshold: Option<u32>| threshold.is_some_and(|least| score >= least);
    let action = if reached(thresholds.hard_block) {
        Action::HardBlock
    } else if reached(thresholds.soft_block) {
        Action::SoftBlock
    } else if reached(thresholds.review) {
        Action::Review
    } else {
        Action::Allow
    };
    Decision { score, action, matched, rules_version: rules.version() }
}
