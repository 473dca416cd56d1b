//! `FilterCriteria`: EventBridge's pattern language as event source mappings
//! know it.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// One pattern. A record passes a mapping if any of its filters matches.
#[derive(Clone, Debug)]
pub struct Filter(Vec<Field>);

#[derive(Clone, Debug)]
enum Field {
    /// A key and what its value must be.
    Key(String, Expected),
    /// `$or`: one of these must match.
    Or(Vec<Filter>),
}

#[derive(Clone, Debug)]
enum Expected {
    Nested(Filter),
    AnyOf(Vec<Rule>),
}

#[derive(Clone, Debug)]
enum Rule {
    Exactly(Value),
    Prefix(String),
    Suffix(String),
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    IgnoringCase(String),
    AnythingBut(Vec<Rule>),
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If Lambda would refuse it.
    pub fn parse(pattern: &Value) -> Result<Self> {
        let map = pattern.as_object().context("a pattern is a JSON object")?;
        ensure!(!map.is_empty(), "an empty pattern");
        map.iter()
            .map(|(key, value)| match (key.as_str(), value) {
                ("$or", Value::Array(alternatives)) => {
                    ensure!(alternatives.len() >= 2, "$or takes at least two patterns");
                    Ok(Field::Or(alternatives.iter().map(Self::parse).collect::<Result<_>>()?))
                }
                (_, Value::Object(_)) => {
                    let nested = Self::parse(value).with_context(|| key.clone())?;
                    Ok(Field::Key(key.clone(), Expected::Nested(nested)))
                }
                (_, Value::Array(rules)) => {
                    ensure!(!rules.is_empty(), "{key}: an empty list matches nothing");
                    let rules = rules.iter().map(Rule::parse).collect::<Result<_>>();
                    Ok(Field::Key(
                        key.clone(),
                        Expected::AnyOf(rules.with_context(|| key.clone())?),
                    ))
                }
                _ => bail!("{key}: the values are a list or a nested pattern"),
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Whether the record matches every field of the pattern.
    #[must_use]
    pub fn matches(&self, record: &Value) -> bool {
        self.on(Some(record))
    }

    fn on(&self, value: Option<&Value>) -> bool {
        // A list matches a nested pattern through any one of its objects.
        if let Some(Value::Array(items)) = value {
            return items.iter().any(|item| self.on(Some(item)));
        }
        self.0.iter().all(|field| match field {
            Field::Or(alternatives) => alternatives.iter().any(|filter| filter.on(value)),
            Field::Key(key, expected) => {
                let inner = value.and_then(|value| value.get(key));
                match expected {
                    Expected::Nested(filter) => filter.on(inner),
                    Expected::AnyOf(rules) => rules.iter().any(|rule| rule.matches(inner)),
                }
            }
        })
    }
}

impl Rule {
    fn parse(rule: &Value) -> Result<Self> {
        let Value::Object(map) = rule else {
            ensure!(!rule.is_array(), "a list within a list");
            return Ok(Self::Exactly(rule.clone()));
        };
        let mut entries = map.iter();
        let (Some((name, argument)), None) = (entries.next(), entries.next()) else {
            bail!("a rule has one name");
        };
        let text = || {
            argument.as_str().map(str::to_owned).with_context(|| format!("{name} takes a string"))
        };
        Ok(match name.as_str() {
            "prefix" => match ignoring_case(argument) {
                Some(text) => Self::PrefixIgnoringCase(text),
                None => Self::Prefix(text()?),
            },
            "suffix" => match ignoring_case(argument) {
                Some(text) => Self::SuffixIgnoringCase(text),
                None => Self::Suffix(text()?),
            },
            "equals-ignore-case" => Self::IgnoringCase(text()?.to_lowercase()),
            "exists" => Self::Exists(argument.as_bool().context("exists takes true or false")?),
            "numeric" => Self::Numeric(comparisons(argument)?),
            "anything-but" => Self::AnythingBut(match argument {
                Value::Array(values) => values.iter().map(Self::parse).collect::<Result<_>>()?,
                Value::Object(inner) => several(inner)?,
                one => vec![Self::parse(one)?],
            }),
            other => bail!("the rule {other} is not known to event source mappings"),
        })
    }

    fn matches(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            // Only a leaf exists: an object is not a value.
            (Self::Exists(expected), value) => {
                *expected == value.is_some_and(|value| !value.is_object())
            }
            (Self::AnythingBut(rules), Some(Value::Array(items))) => {
                items.iter().any(|item| !rules.iter().any(|rule| rule.matches(Some(item))))
            }
            (_, Some(Value::Array(items))) => items.iter().any(|item| self.matches(Some(item))),
            (Self::AnythingBut(rules), Some(value)) => {
                !value.is_object() && !rules.iter().any(|rule| rule.matches(Some(value)))
            }
            (Self::Exactly(Value::Number(wanted)), Some(Value::Number(number))) => {
                wanted.as_f64() == number.as_f64()
            }
            (Self::Exactly(wanted), Some(value)) => wanted == value,
            (Self::Numeric(comparisons), Some(value)) => value.as_f64().is_some_and(|number| {
                comparisons.iter().all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
            (rule, Some(Value::String(text))) => match rule {
                Self::Prefix(prefix) => text.starts_with(prefix),
                Self::Suffix(suffix) => text.ends_with(suffix),
                Self::PrefixIgnoringCase(prefix) => text.to_lowercase().starts_with(prefix),
                Self::SuffixIgnoringCase(suffix) => text.to_lowercase().ends_with(suffix),
                Self::IgnoringCase(wanted) => text.to_lowercase() == *wanted,
                _ => false,
            },
            _ => false,
        }
    }
}

impl Comparison {
    fn parse(sign: &Value) -> Result<Self> {
        Ok(match sign.as_str() {
            Some("=") => Self::Equal,
            Some("<") => Self::Less,
            Some("<=") => Self::LessOrEqual,
            Some(">") => Self::Greater,
            Some(">=") => Self::GreaterOrEqual,
            _ => bail!("{sign} is not a comparison"),
        })
    }

    #[expect(clippy::float_cmp, reason = "a pattern's number is compared as it is written")]
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

/// `[">", 0, "<=", 5]`.
fn comparisons(argument: &Value) -> Result<Vec<(Comparison, f64)>> {
    let parts = argument.as_array().context("numeric takes a list")?;
    ensure!(matches!(parts.len(), 2 | 4), "numeric takes one or two comparisons");
    parts
        .chunks_exact(2)
        .map(|pair| {
            let bound = pair[1].as_f64().with_context(|| format!("{} is no number", pair[1]))?;
            Ok((Comparison::parse(&pair[0])?, bound))
        })
        .collect()
}

/// `{"equals-ignore-case": "x"}` within a prefix or suffix, in lower case.
fn ignoring_case(argument: &Value) -> Option<String> {
    Some(argument.get("equals-ignore-case")?.as_str()?.to_lowercase())
}

/// Within anything-but a rule takes one argument or a list of them.
fn several(inner: &serde_json::Map<String, Value>) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for (name, argument) in inner {
        ensure!(
            matches!(name.as_str(), "prefix" | "suffix" | "equals-ignore-case"),
            "anything-but does not take {name}"
        );
        let single = std::slice::from_ref(argument);
        for argument in argument.as_array().map_or(single, Vec::as_slice) {
            rules.push(Rule::parse(&serde_json::json!({ name.clone(): argument }))?);
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn matches_as_event_source_mappings_do() {
        let record = json!({
            "name": "Lucky Seven", "kind": "slot", "bet": 10, "flag": true, "none": null,
            "tags": ["a", "b"], "deep": {"x": {"S": "entry"}}, "text": "10",
        });
        for (pattern, expected) in [
            (json!({"kind": ["slot"]}), true),
            (json!({"kind": ["dice", "slot"]}), true),
            (json!({"kind": ["dice"]}), false),
            (json!({"kind": ["slot"], "bet": [11]}), false),
            (json!({"bet": [10.0]}), true),
            (json!({"text": [10]}), false),
            (json!({"flag": [true]}), true),
            (json!({"none": [null]}), true),
            (json!({"absent": [null]}), false),
            (json!({"name": [{"prefix": "Lucky"}]}), true),
            (json!({"name": [{"prefix": "lucky"}]}), false),
            (json!({"name": [{"prefix": {"equals-ignore-case": "lUCKY"}}]}), true),
            (json!({"name": [{"suffix": "Seven"}]}), true),
            (json!({"name": [{"suffix": {"equals-ignore-case": "seven"}}]}), true),
            (json!({"name": [{"equals-ignore-case": "LUCKY seven"}]}), true),
            (json!({"kind": [{"anything-but": "slot"}]}), false),
            (json!({"kind": [{"anything-but": ["dice", "cards"]}]}), true),
            (json!({"kind": [{"anything-but": {"prefix": "sl"}}]}), false),
            (json!({"kind": [{"anything-but": {"suffix": ["x", "y"]}}]}), true),
            (json!({"bet": [{"anything-but": [10]}]}), false),
            (json!({"absent": [{"anything-but": "x"}]}), false),
            (json!({"bet": [{"numeric": [">", 9, "<=", 10]}]}), true),
            (json!({"bet": [{"numeric": ["<", 10]}]}), false),
            (json!({"bet": [{"numeric": ["=", 10]}]}), true),
            (json!({"text": [{"numeric": [">", 0]}]}), false),
            (json!({"bet": [{"exists": true}]}), true),
            (json!({"absent": [{"exists": false}]}), true),
            (json!({"absent": {"inner": [{"exists": false}]}}), true),
            (json!({"bet": [{"exists": false}]}), false),
            (json!({"deep": [{"exists": true}]}), false),
            (json!({"tags": ["b"]}), true),
            (json!({"tags": ["c"]}), false),
            (json!({"deep": {"x": {"S": ["entry"]}}}), true),
            (json!({"deep": {"x": {"S": ["state"]}}}), false),
            (json!({"$or": [{"kind": ["dice"]}, {"bet": [10]}]}), true),
            (json!({"$or": [{"kind": ["dice"]}, {"bet": [11]}]}), false),
            (json!({"flag": [true], "$or": [{"kind": ["dice"]}, {"bet": [10]}]}), true),
        ] {
            let filter = Filter::parse(&pattern).unwrap();
            assert_eq!(filter.matches(&record), expected, "{pattern}");
        }
    }

    #[test]
    fn refuses_what_lambda_refuses() {
        for pattern in [
            json!([]),
            json!({}),
            json!({"kind": "slot"}),
            json!({"kind": []}),
            json!({"kind": [{"wildcard": "s*"}]}),
            json!({"kind": [{"cidr": "10.0.0.0/8"}]}),
            json!({"bet": [{"numeric": [">"]}]}),
            json!({"bet": [{"numeric": ["~", 1]}]}),
            json!({"$or": [{"kind": ["x"]}]}),
            json!({"kind": [{"prefix": 1}]}),
            json!({"kind": [["x"]]}),
        ] {
            assert!(Filter::parse(&pattern).is_err(), "{pattern}");
        }
    }
}
