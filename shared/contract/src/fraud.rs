//! Fraud rules and decisions, for operators.

use domain::fraud::{Action, Assessment, Document, Fault, FaultKind, Features, Rules};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{Field, Rule};

/// The query of `GET /api/admin/fraud/rules`
#[derive(Clone, Copy, Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FraudRulesQuery {
    /// An older version; without one, the rules in force. 0 is built in.
    #[garde(skip)]
    pub version: Option<u32>,
}

/// `GET /api/admin/fraud/rules`
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FraudRulesAnswer {
    /// Of the document.
    pub version: u32,
    /// Of the rules in force: `expected_version` of who changes them.
    pub version_in_force: u32,
    #[schema(value_type = FraudRulesDocument)]
    pub document: Document,
}

impl FraudRulesAnswer {
    #[must_use]
    pub fn of(rules: &Rules, version_in_force: u32) -> Self {
        let (version, document) = (rules.version(), rules.document().clone());
        Self { version, version_in_force, document }
    }
}

/// `PUT /api/admin/fraud/rules`
#[derive(Clone, Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutFraudRulesRequest {
    #[garde(skip)]
    #[schema(value_type = FraudRulesDocument)]
    pub document: Document,
    /// The version in force that the document is meant to replace: of two operators
    /// who have looked at the same rules, the second is told.
    #[garde(range(max = 1_000_000_000))]
    #[schema(maximum = 1_000_000_000)]
    pub expected_version: u32,
    /// Why, for the audit log.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "Card testing since Monday")]
    pub reason: String,
    /// Checks everything and changes nothing.
    #[serde(default)]
    #[garde(skip)]
    pub dry_run: bool,
}

/// What `PUT /api/admin/fraud/rules` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PutFraudRulesAnswer {
    /// The version of the document, or the one it would have.
    pub version: u32,
    pub previous_version: u32,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// `POST /api/admin/fraud/rules/test`. Changes nothing.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestFraudRulesRequest {
    /// The rules to try; without any, those in force.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<FraudRulesDocument>)]
    pub document: Option<Document>,
    /// Decides on these numbers; what is left out is 0.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<FraudFeatures>)]
    pub features: Option<Features>,
    /// Decides anew on so many of the last recorded decisions.
    #[serde(default)]
    #[garde(inner(range(min = 1, max = 100)))]
    #[schema(minimum = 1, maximum = 100)]
    pub recent: Option<u32>,
}

/// What the rules would decide.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TestFraudRulesAnswer {
    /// On the features that were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<FraudVerdict>,
    /// On the last recorded decisions, newest first.
    pub recent: Vec<RetestedDecision>,
    /// How many of them would be decided otherwise.
    pub changed: u32,
}

/// One recorded decision, and what it would be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RetestedDecision {
    pub attempt_id: Uuid,
    pub player_id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[schema(value_type = FraudAction)]
    pub old_action: Action,
    #[schema(value_type = FraudAction)]
    pub new_action: Action,
    pub old_score: u32,
    pub new_score: u32,
}

/// A decision, explained.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FraudVerdict {
    #[schema(value_type = FraudAction)]
    pub action: Action,
    /// The scores of the rules that matched.
    pub score: u32,
    pub matched_rules: Vec<MatchedFraudRule>,
}

/// A rule that matched.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MatchedFraudRule {
    #[schema(example = "card_testing")]
    pub id: String,
    pub score: u32,
    /// The rule in words, and the numbers it matched by.
    pub explanation: String,
}

impl From<domain::fraud::Decision> for FraudVerdict {
    fn from(decision: domain::fraud::Decision) -> Self {
        let matched = decision.matched.into_iter().map(|matched| MatchedFraudRule {
            id: matched.rule,
            score: matched.score,
            explanation: matched.explanation,
        });
        Self { action: decision.action, score: decision.score, matched_rules: matched.collect() }
    }
}

/// The query of `GET /api/admin/fraud/audit`
#[derive(Clone, Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FraudAuditQuery {
    /// Decisions on this player's purchases.
    #[garde(skip)]
    pub player: Option<Uuid>,
    /// Decisions of this kind.
    #[garde(skip)]
    #[param(inline, value_type = Option<FraudAction>)]
    pub action: Option<Action>,
    /// Most items to answer with.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(inner(length(min = 1, max = 1024)))]
    pub cursor: Option<String>,
}

/// One decision of `GET /api/admin/fraud/audit`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FraudAuditItem {
    /// The purchase keeps the same id.
    pub attempt_id: Uuid,
    pub player_id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[schema(example = "KRW")]
    pub currency: String,
    #[schema(value_type = FraudFeatures)]
    pub features: Features,
    #[serde(flatten)]
    pub verdict: FraudVerdict,
    /// 0 for the rules that are built in.
    pub rules_version: u32,
    pub trace_id: String,
}

impl From<Assessment> for FraudAuditItem {
    fn from(assessment: Assessment) -> Self {
        let Assessment { attempt, player, at, currency, features, decision, trace_id } = assessment;
        Self {
            attempt_id: attempt.uuid(),
            player_id: player.uuid(),
            at,
            currency,
            features,
            rules_version: decision.rules_version,
            verdict: decision.into(),
            trace_id,
        }
    }
}

/// The part of a request that a fault of its document is about; `document` is the
/// document's own place.
#[must_use]
pub fn field(document: &str, fault: &Fault) -> Field {
    let rule = match fault.kind {
        FaultKind::Missing => Rule::Required,
        FaultKind::Duplicate => Rule::DuplicateField,
        FaultKind::TooShort(least) => Rule::TooShort(least.to_string()),
        FaultKind::TooLong(most) => Rule::TooLong(most.to_string()),
        FaultKind::TooSmall(least) => Rule::TooSmall(least.to_string()),
        FaultKind::TooLarge(most) => Rule::TooLarge(most.to_string()),
        FaultKind::Malformed => Rule::InvalidFormat,
    };
    Field::new(format!("{document}{}", fault.pointer), rule)
}

// How the domain's types look, for the OpenAPI document alone.

/// What becomes of a purchase: it goes through; it goes through and is flagged; it is
/// refused for a while; it is refused.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum FraudAction {
    Allow,
    Review,
    SoftBlock,
    HardBlock,
}

/// What was seen of a purchase, itself included. What is left out of a test counts as 0;
/// answers leave nothing out.
#[derive(ToSchema)]
pub struct FraudFeatures {
    /// Attempts from the same address, counted up to 50.
    #[schema(required = false, maximum = 50)]
    pub address_attempts_10m: u64,
    #[schema(required = false, maximum = 50)]
    pub address_attempts_24h: u64,
    /// Attempts by the same device (`X-Device-Fingerprint`), counted up to 50.
    #[schema(required = false, maximum = 50)]
    pub device_attempts_10m: u64,
    #[schema(required = false, maximum = 50)]
    pub device_attempts_24h: u64,
    /// Different cards of the player.
    #[schema(required = false, maximum = 50)]
    pub cards_24h: u64,
    /// The player's largest less smallest amount in the same currency, minor units.
    #[schema(required = false, maximum = 9_007_199_254_740_991_u64)]
    pub amount_spread_24h: u64,
    #[schema(required = false, maximum = 9_007_199_254_740_991_u64)]
    pub account_age_hours: u64,
    /// The player's attempts that failed at the payment provider.
    #[schema(required = false, maximum = 50)]
    pub failed_attempts_24h: u64,
    #[schema(required = false, maximum = 9_007_199_254_740_991_u64)]
    pub amount_minor: u64,
}

/// Fraud rules: the scores of all that match are added, and the strictest threshold
/// that the sum reaches says what is done.
#[derive(ToSchema)]
pub struct FraudRulesDocument {
    /// Version of this shape.
    #[schema(minimum = 1, maximum = 1)]
    pub format: u32,
    pub thresholds: FraudThresholds,
    #[schema(max_items = 32)]
    pub rules: Vec<FraudRule>,
}

/// From which score on; each is higher than the one before, and one that is left out
/// is never reached.
#[derive(ToSchema)]
pub struct FraudThresholds {
    #[schema(minimum = 1)]
    pub review: Option<u32>,
    #[schema(minimum = 1)]
    pub soft_block: Option<u32>,
    #[schema(minimum = 1)]
    pub hard_block: Option<u32>,
}

/// A condition and its score.
#[derive(ToSchema)]
pub struct FraudRule {
    #[schema(min_length = 1, max_length = 40, pattern = "^[a-z0-9_]+$")]
    pub id: String,
    #[schema(min_length = 1, max_length = 200)]
    pub explanation: String,
    pub when: FraudCondition,
    #[schema(minimum = 1, maximum = 1000)]
    pub score: u32,
}

/// Either `feature`, `is` and `value`, or `all`, or `any`.
#[derive(ToSchema)]
#[schema(no_recursion)]
pub struct FraudCondition {
    /// A member of `FraudFeatures`.
    #[schema(example = "cards_24h")]
    pub feature: Option<String>,
    /// `>=`, `>`, `<=`, `<` or `==`.
    #[schema(example = ">=")]
    pub is: Option<String>,
    pub value: Option<u64>,
    pub all: Option<Vec<FraudCondition>>,
    pub any: Option<Vec<FraudCondition>>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::fraud::{Feature, Rules, assess};
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;

    /// The names of a schema's members.
    fn members<T: PartialSchema>() -> BTreeSet<String> {
        let schema = serde_json::to_value(T::schema()).expect("it serializes");
        schema["properties"].as_object().expect("an object").keys().cloned().collect()
    }

    fn names(value: &Value) -> BTreeSet<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn the_document_describes_rules_and_features_as_they_are() {
        let rules = json!(Rules::built_in().document());
        assert_eq!(members::<FraudRulesDocument>(), names(&rules));
        assert_eq!(members::<FraudThresholds>(), names(&rules["thresholds"]));
        assert_eq!(members::<FraudRule>(), names(&rules["rules"][0]));
        let mut forms = names(&rules["rules"][0]["when"]);
        forms.extend(["all".to_owned(), "any".to_owned()]);
        assert_eq!(members::<FraudCondition>(), forms);
        assert_eq!(members::<FraudFeatures>(), names(&json!(Features::default())));
        let features: BTreeSet<_> =
            Feature::ALL.iter().map(|feature| feature.as_str().to_owned()).collect();
        assert_eq!(members::<FraudFeatures>(), features);
        let actions = serde_json::to_value(FraudAction::schema()).expect("it serializes");
        assert_eq!(actions["enum"], json!(Action::ALL));
    }

    #[test]
    fn a_verdict_explains_itself() {
        let features = Features { cards_24h: 5, ..Features::default() };
        let verdict = FraudVerdict::from(assess(Rules::built_in(), &features));
        let expected = json!({ "action": "review", "score": 40, "matched_rules": [{
            "id": "many_cards", "score": 40,
            "explanation": "Many cards of one player within a day: cards_24h is 5 (>= 5)",
        }]});
        assert_eq!(json!(verdict), expected);
    }

    #[test]
    fn the_document_says_what_each_feature_can_be_at_most() {
        let schema = serde_json::to_value(FraudFeatures::schema()).expect("it serializes");
        for feature in Feature::ALL {
            let described = &schema["properties"][feature.as_str()];
            assert_eq!(described["maximum"], feature.most(), "{feature:?}");
        }
    }
}
