//! Inputs that parsers have stumbled over elsewhere, and generated ones.

use std::{ops::Range, sync::LazyLock};

use proptest::{collection, prelude::*, sample};

/// JSON values as they stand in a body, sound or not; one to a line.
static VALUES: LazyLock<Vec<String>> =
    LazyLock::new(|| include_str!("corpus/values.txt").lines().map(str::to_owned).collect());

/// Texts for headers, parameters and names; one JSON string to a line.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let lines = include_str!("corpus/texts.txt").lines();
    lines.map(|line| serde_json::from_str(line).expect("a line is a JSON string")).collect()
});

/// Brackets without end, and with one.
fn deep() -> impl Strategy<Value = String> {
    let kinds = vec![("[", "]"), ("{\"a\":", "}")];
    (sample::select(kinds), 1..4000_usize, any::<bool>()).prop_map(
        |((open, close), depth, shut)| {
            let close = if shut { close.repeat(depth) } else { String::new() };
            format!("{}1{close}", open.repeat(depth))
        },
    )
}

/// A JSON document of any shape.
pub fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::hash_map(text(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What stands where a JSON value should; often it is one.
pub fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => sample::select(&**VALUES),
        3 => json().prop_map(|value| value.to_string()),
        2 => any::<i64>().prop_map(|number| number.to_string()),
        1 => "[0-9]{1,400}",
        1 => (0..2000_usize).prop_map(|length| format!("\"{}\"", "x".repeat(length))),
        1 => deep(),
    ]
}

/// Any text.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => sample::select(&**TEXTS),
        3 => any::<String>(),
        2 => "[ -~]{0,40}",
        1 => (0..5000_usize).prop_map(|length| "k".repeat(length)),
    ]
}

/// A text that can be a header's value: what HTTP servers let through.
pub fn header_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.chars().filter(|c| !c.is_ascii_control()).collect())
}

/// A change of something sound that leaves most of it.
#[derive(Clone, Debug)]
pub enum Change {
    Flip { at: sample::Index, bit: u8 },
    Insert { at: sample::Index, byte: u8 },
    Remove { at: sample::Index },
    Cut { at: sample::Index },
    Twice { at: sample::Index },
}

/// Any change.
pub fn change() -> impl Strategy<Value = Change> {
    let at = any::<sample::Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert { at, byte }),
        at().prop_map(|at| Change::Remove { at }),
        at().prop_map(|at| Change::Cut { at }),
        at().prop_map(|at| Change::Twice { at }),
    ]
}

/// So many changes, at most.
pub fn changes(number: Range<usize>) -> impl Strategy<Value = Vec<Change>> {
    collection::vec(change(), number)
}

impl Change {
    /// Changes `bytes`.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        match self {
            Self::Insert { at, byte } => bytes.insert(at.index(length + 1), *byte),
            _ if length == 0 => {}
            Self::Flip { at, bit } => bytes[at.index(length)] ^= 1 << bit,
            Self::Remove { at } => drop(bytes.remove(at.index(length))),
            Self::Cut { at } => bytes.truncate(at.index(length)),
            Self::Twice { at } => {
                let rest = bytes[at.index(length)..].to_vec();
                bytes.extend(rest);
            }
        }
    }
}
