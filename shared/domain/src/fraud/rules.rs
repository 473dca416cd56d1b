//! The rules: a document that is read, checked and only then used.
//!
//! ```json
//! {
//!   "format": 1,
//!   "thresholds": { "review": 40, "soft_block": 70, "hard_block": 100 },
//!   "rules": [{
//!     "id": "card_testing",
//!     "explanation": "Several cards, and several payments that failed",
//!     "when": { "all": [
//!       { "feature": "cards_24h", "is": ">=", "value": 3 },
//!       { "feature": "failed_attempts_24h", "is": ">=", "value": 3 }
//!     ]},
//!     "score": 70
//!   }]
//! }
//! ```
//!
//! Scores are positive: a rule more never lets more through. A threshold that is
//! left out is never reached.

use std::{collections::BTreeSet, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::{Feature, Features, Matched};

/// The rules in force before any were put.
static BUILT_IN: LazyLock<Rules> = LazyLock::new(|| {
    let text = include_str!("../../../../infra/fraud/rules.json");
    let document = serde_json::from_str(text).expect("the built-in rules parse");
    Rules::new(0, document).expect("the built-in rules are sound")
});

/// The one shape of documents there is so far.
const FORMAT: u32 = 1;
/// As compact JSON. Every attempt reads it.
pub const LARGEST_DOCUMENT_BYTES: usize = 16 * 1024;
const MOST_RULES: usize = 32;
/// Comparisons of one rule.
const MOST_COMPARISONS: usize = 8;
/// `all` and `any` within each other.
const DEEPEST: usize = 3;
const LONGEST_ID: usize = 40;
const LONGEST_EXPLANATION: usize = 200;
const HIGHEST_SCORE: u32 = 1_000;

/// The document as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of this shape: 1.
    pub format: u32,
    pub thresholds: Thresholds,
    /// 32 at most.
    pub rules: Vec<Rule>,
}

/// From which score on what is done. Each is higher than the one before, and none is
/// higher than all scores together; one that is left out is never reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_block: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_block: Option<u32>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// 1 to 40 of `a-z 0-9 _`, unique in the document.
    pub id: String,
    /// For whoever reads a decision, up to 200 characters.
    pub explanation: String,
    pub when: Condition,
    /// 1 to 1,000.
    pub score: u32,
}

/// A condition in one of three forms: `feature`, `is` and `value`, or `all`, or
/// `any`. Which, [`Rules::new`] finds out, so that what is wrong has a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Feature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Comparison>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<Self>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<Self>>,
}

/// How a feature is compared with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = ">")]
    Above,
    #[serde(rename = "<=")]
    AtMost,
    #[serde(rename = "<")]
    Below,
    #[serde(rename = "==")]
    Equal,
}

impl Comparison {
    /// As documents write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::Equal => "==",
        }
    }

    const fn holds(self, observed: u64, value: u64) -> bool {
        match self {
            Self::AtLeast => observed >= value,
            Self::Above => observed > value,
            Self::AtMost => observed <= value,
            Self::Below => observed < value,
            Self::Equal => observed == value,
        }
    }

    /// The least and the most `value` for which it holds for some and not for all of
    /// `0..=most`.
    const fn sensible(self, most: u64) -> (u64, u64) {
        match self {
            Self::AtLeast | Self::Below => (1, most),
            Self::Above | Self::AtMost => (0, most - 1),
            Self::Equal => (0, most),
        }
    }
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer into the document; empty for the document as a whole.
    pub pointer: String,
    pub kind: FaultKind,
}

/// What is wrong. Bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not there.
    Missing,
    /// Another rule has this id.
    Duplicate,
    /// Fewer characters, or members, than this.
    TooShort(u64),
    /// More characters, members or bytes than this.
    TooLong(u64),
    /// Too small for what it is, or for it to make a difference.
    TooSmall(u64),
    /// Too large for what it is, or for it to make a difference.
    TooLarge(u64),
    /// It is nothing of what it may be.
    Malformed,
}

/// Rules that were found sound, of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    version: u32,
    document: Document,
    /// The conditions of the document's rules, in order.
    conditions: Vec<When>,
}

/// A condition that is in one form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Is(Feature, Comparison, u64),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Rules {
    /// The rules in force before any were put: version 0.
    #[must_use]
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The rules of a document.
    ///
    /// # Errors
    /// All that is wrong with it, never empty.
    pub fn new(version: u32, document: Document) -> Result<Self, Vec<Fault>> {
        let mut check = Check::default();
        let conditions = check.document(&document);
        if check.faults.is_empty() {
            Ok(Self { version, document, conditions })
        } else {
            Err(check.faults)
        }
    }

    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    pub(super) const fn thresholds(&self) -> Thresholds {
        self.document.thresholds
    }

    /// The rules that match, each with its explanation.
    pub(super) fn matching(&self, features: &Features) -> impl Iterator<Item = Matched> {
        self.document.rules.iter().zip(&self.conditions).filter_map(move |(rule, when)| {
            let because = when.because(features)?.join(", ");
            let explanation = format!("{}: {because}", rule.explanation);
            Some(Matched { rule: rule.id.clone(), score: rule.score, explanation })
        })
    }
}

impl When {
    /// Why it holds; `None` when it does not.
    fn because(&self, features: &Features) -> Option<Vec<String>> {
        match self {
            Self::Is(feature, is, value) => {
                let observed = features.get(*feature);
                let (name, is_text) = (feature.as_str(), is.as_str());
                is.holds(observed, *value)
                    .then(|| vec![format!("{name} is {observed} ({is_text} {value})")])
            }
            Self::All(all) => {
                let reasons: Option<Vec<_>> = all.iter().map(|one| one.because(features)).collect();
                reasons.map(|reasons| reasons.concat())
            }
            Self::Any(any) => any.iter().find_map(|one| one.because(features)),
        }
    }
}

/// Goes through a document and notes what is wrong.
#[derive(Default)]
struct Check {
    faults: Vec<Fault>,
}

impl Check {
    fn fault(&mut self, pointer: impl Into<String>, kind: FaultKind) {
        self.faults.push(Fault { pointer: pointer.into(), kind });
    }

    fn document(&mut self, document: &Document) -> Vec<When> {
        if document.format != FORMAT {
            self.fault("/format", FaultKind::Malformed);
        }
        let bytes = serde_json::to_vec(document).map_or(usize::MAX, |json| json.len());
        if bytes > LARGEST_DOCUMENT_BYTES {
            self.fault("", FaultKind::TooLong(LARGEST_DOCUMENT_BYTES as u64));
        }
        if document.rules.len() > MOST_RULES {
            self.fault("/rules", FaultKind::TooLong(MOST_RULES as u64));
            return Vec::new();
        }
        let mut ids = BTreeSet::new();
        let mut conditions = Vec::new();
        for (place, rule) in document.rules.iter().enumerate() {
            if !ids.insert(&rule.id) {
                self.fault(format!("/rules/{place}/id"), FaultKind::Duplicate);
            }
            conditions.extend(self.rule(rule, &format!("/rules/{place}")));
        }
        self.thresholds(document);
        conditions
    }

    fn rule(&mut self, rule: &Rule, at: &str) -> Option<When> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if rule.id.is_empty() {
            self.fault(format!("{at}/id"), FaultKind::TooShort(1));
        } else if rule.id.len() > LONGEST_ID {
            self.fault(format!("{at}/id"), FaultKind::TooLong(LONGEST_ID as u64));
        } else if !rule.id.bytes().all(plain) {
            self.fault(format!("{at}/id"), FaultKind::Malformed);
        }
        let explanation = rule.explanation.chars().count();
        if explanation == 0 {
            self.fault(format!("{at}/explanation"), FaultKind::TooShort(1));
        } else if explanation > LONGEST_EXPLANATION {
            let most = LONGEST_EXPLANATION as u64;
            self.fault(format!("{at}/explanation"), FaultKind::TooLong(most));
        }
        self.between(format!("{at}/score"), rule.score.into(), (1, HIGHEST_SCORE.into()));
        let mut left = MOST_COMPARISONS;
        self.condition(&rule.when, &format!("{at}/when"), 0, &mut left)
    }

    fn condition(
        &mut self,
        condition: &Condition,
        at: &str,
        depth: usize,
        left: &mut usize,
    ) -> Option<When> {
        match condition {
            Condition { feature: None, is: None, value: None, all: Some(all), any: None } => {
                self.group(all, &format!("{at}/all"), depth, left).map(When::All)
            }
            Condition { feature: None, is: None, value: None, all: None, any: Some(any) } => {
                self.group(any, &format!("{at}/any"), depth, left).map(When::Any)
            }
            Condition { feature, is, value, all: None, any: None } => {
                let Some(rest) = left.checked_sub(1) else {
                    self.fault(at, FaultKind::TooLong(MOST_COMPARISONS as u64));
                    return None;
                };
                *left = rest;
                let there = [
                    ("feature", feature.is_some()),
                    ("is", is.is_some()),
                    ("value", value.is_some()),
                ];
                for (name, _) in there.iter().filter(|(_, there)| !there) {
                    self.fault(format!("{at}/{name}"), FaultKind::Missing);
                }
                let (feature, is, value) = ((*feature)?, (*is)?, (*value)?);
                self.between(format!("{at}/value"), value, is.sensible(feature.most()));
                Some(When::Is(feature, is, value))
            }
            _ => {
                self.fault(at, FaultKind::Malformed);
                None
            }
        }
    }

    fn group(
        &mut self,
        members: &[Condition],
        at: &str,
        depth: usize,
        left: &mut usize,
    ) -> Option<Vec<When>> {
        if depth == DEEPEST {
            self.fault(at, FaultKind::TooLong(DEEPEST as u64));
            return None;
        }
        if members.is_empty() {
            self.fault(at, FaultKind::TooShort(1));
            return None;
        }
        let mut whens = Vec::new();
        for (place, member) in members.iter().enumerate() {
            whens.push(self.condition(member, &format!("{at}/{place}"), depth + 1, left)?);
        }
        Some(whens)
    }

    fn thresholds(&mut self, document: &Document) {
        let Thresholds { review, soft_block, hard_block } = document.thresholds;
        let scores = document.rules.iter().map(|rule| u64::from(rule.score));
        let reachable = scores.sum::<u64>();
        let mut least = 1;
        for (name, threshold) in
            [("review", review), ("soft_block", soft_block), ("hard_block", hard_block)]
        {
            if let Some(threshold) = threshold {
                let threshold = u64::from(threshold);
                self.between(format!("/thresholds/{name}"), threshold, (least, reachable));
                least = threshold + 1;
            }
        }
    }

    fn between(&mut self, at: String, value: u64, (least, most): (u64, u64)) {
        if value < least {
            self.fault(at, FaultKind::TooSmall(least));
        } else if value > most {
            self.fault(at, FaultKind::TooLarge(most));
        }
    }
}
