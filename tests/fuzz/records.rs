//! Records of the streams: what is no entry or no event is set aside, and holds
//! nothing up.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proptest::{collection, prelude::*, sample};
use serde_json::{Map, Value, json};
use tests::Events;

use crate::{
    nasty::{changes, json, text, value},
    support::{Product, fuzz},
};

/// A number as DynamoDB has it.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f32>().prop_filter("a number", |n| n.is_finite()).prop_map(|n| n.to_string()),
        "-?[1-9][0-9]{0,37}",
        "-?[1-9](\\.[0-9]{1,30})?E-?[1-9][0-9]?",
    ]
}

/// An attribute's value as DynamoDB writes it into a record.
fn attribute() -> impl Strategy<Value = Value> {
    let bytes =
        || collection::vec(any::<u8>(), 0..20).prop_map(|bytes| BASE64_STANDARD.encode(bytes));
    let leaf = prop_oneof![
        4 => text().prop_map(|text| json!({ "S": text })),
        4 => number().prop_map(|number| json!({ "N": number })),
        1 => any::<bool>().prop_map(|is| json!({ "BOOL": is })),
        1 => Just(json!({ "NULL": true })),
        1 => bytes().prop_map(|bytes| json!({ "B": bytes })),
        1 => collection::vec(text(), 1..4).prop_map(|set| json!({ "SS": set })),
        1 => collection::vec(number(), 1..4).prop_map(|set| json!({ "NS": set })),
        1 => collection::vec(bytes(), 1..4).prop_map(|set| json!({ "BS": set })),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(|list| json!({ "L": list })),
            collection::hash_map(text(), inner, 0..4).prop_map(|map| json!({ "M": map })),
        ]
    })
}

/// An attribute somewhere in an item, or in an attribute of it.
fn place<'a>(item: &'a mut Map<String, Value>, path: &[sample::Index]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    let at = first.index(item.len().max(1));
    let attribute = item.values_mut().nth(at)?;
    let deeper = !rest.is_empty()
        && (attribute["M"].as_object().is_some_and(|map| !map.is_empty())
            || attribute["L"].as_array().is_some_and(|list| !list.is_empty()));
    if !deeper {
        return Some(attribute);
    }
    match attribute.as_object_mut()?.iter_mut().next()? {
        (_, Value::Object(map)) => place(map, rest),
        (_, list) => list.get_mut(rest[0].index(list.as_array()?.len())),
    }
}

/// The image of a record: an entry with an attribute put in another's place, one
/// left out, or any item.
#[derive(Clone, Debug)]
enum Image {
    Sound,
    None,
    Put { name: String, value: Value },
    Change { path: Vec<sample::Index>, value: Value },
    Without(sample::Index),
    Any(Value),
}

fn image() -> impl Strategy<Value = Image> {
    let names = [
        "pk", "sk", "entity", "schema", "at", "fact", "legs", "after", "trace_id", "once", "answer",
    ];
    let name =
        prop_oneof![4 => sample::select(names.to_vec()).prop_map(str::to_owned), 1 => text()];
    let path = collection::vec(any::<sample::Index>(), 1..4);
    prop_oneof![
        1 => Just(Image::Sound),
        1 => Just(Image::None),
        4 => (name, attribute()).prop_map(|(name, value)| Image::Put { name, value }),
        4 => (path, attribute()).prop_map(|(path, value)| Image::Change { path, value }),
        2 => any::<sample::Index>().prop_map(Image::Without),
        1 => collection::hash_map(text(), attribute(), 0..5).prop_map(|item| Image::Any(json!(item))),
    ]
}

impl Image {
    fn of(&self, entry: &Value) -> Option<Value> {
        let mut entry = entry.clone();
        match self {
            Self::Sound => {}
            Self::None => return None,
            Self::Put { name, value } => entry[name] = value.clone(),
            Self::Change { path, value } => {
                *place(entry.as_object_mut()?, path)? = value.clone();
            }
            Self::Without(at) => {
                let members = entry.as_object_mut()?;
                let name = members.keys().nth(at.index(members.len()))?.clone();
                members.remove(&name);
            }
            Self::Any(item) => return Some(item.clone()),
        }
        Some(entry)
    }
}

/// An event of the repository's with its records.
fn typical(product: &Product, function: &str) -> Value {
    product.wait(async {
        let events = Events::prepare(&product.stack).await.expect("two players");
        events.event(function, "typical").await.expect("an event")
    })
}

#[test]
fn no_record_of_the_table_holds_up_the_outbox() {
    let product = Product::start();
    let typical = typical(&product, "outbox");
    let record = typical["Records"][0].clone();
    fuzz(500, &collection::vec(image(), 1..5), |images| {
        let before = product.stack.engine().meter().snapshot();
        let mut sound = 0;
        let records = images.iter().zip(1..).map(|(image, number)| {
            let mut record = record.clone();
            let change = record["dynamodb"].as_object_mut().expect("a change");
            change.insert("SequenceNumber".to_owned(), json!(number.to_string()));
            match image.of(&change["NewImage"]) {
                Some(image) => change.insert("NewImage".to_owned(), image),
                None => change.remove("NewImage"),
            };
            sound += usize::from(matches!(image, Image::Sound));
            record
        });
        let event = json!({ "Records": records.collect::<Vec<_>>() });
        let answer = product.invoke("OutboxFunction", event);
        let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&answer, &json!({ "batchItemFailures": [] }));
        let used = product.stack.engine().meter().since(&before).of("OutboxFunction");
        let aside = used.count("sqs:SendMessage");
        prop_assert!(aside + sound as u64 <= images.len() as u64);
        let published = used.count("kinesis:PutRecords") > 0;
        prop_assert_eq!(published, aside < images.len() as u64);
        Ok(())
    });
}

#[test]
fn no_record_of_the_event_stream_holds_up_the_projections() {
    let product = Product::start();
    let typical = typical(&product, "projections");
    let record = typical["Records"][0].clone();
    let text = record["kinesis"]["data"].as_str().expect("data").to_owned();
    let sound = BASE64_STANDARD.decode(text).expect("base64");
    let envelope: Value = serde_json::from_slice(&sound).expect("an envelope");
    let names: Vec<_> = envelope.as_object().into_iter().flat_map(|e| e.keys().cloned()).collect();
    // Whose event it is stays as it is: the publisher knows nobody else.
    let others: Vec<_> = names.into_iter().filter(|name| name != "user_id").collect();
    let data = prop_oneof![
        2 => collection::vec(any::<u8>(), 0..100),
        1 => json().prop_map(|json| json.to_string().into_bytes()),
        4 => (sample::select(others), value()).prop_map(move |(name, value)| {
            let mut members = envelope.as_object().cloned().unwrap_or_default();
            members.remove(&name);
            let rest = Value::Object(members).to_string();
            format!("{},{}:{value}}}", rest.trim_end_matches('}'), json!(name)).into_bytes()
        }),
        2 => changes(1..3).prop_map(move |changes| {
            let mut bytes = sound.clone();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            bytes
        }).prop_filter("of a known player", |bytes| {
            serde_json::from_slice::<domain::Envelope>(bytes).is_err()
        }),
    ];
    fuzz(500, &collection::vec(data, 1..4), |batch| {
        let records = batch.iter().zip(1..).map(|(data, number)| {
            let mut record = record.clone();
            record["kinesis"]["data"] = json!(BASE64_STANDARD.encode(data));
            record["kinesis"]["sequenceNumber"] = json!(number.to_string());
            record
        });
        let event = json!({ "Records": records.collect::<Vec<_>>() });
        let answer = product.invoke("ProjectionsFunction", event);
        let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&answer, &json!({ "batchItemFailures": [] }));
        Ok(())
    });
}

#[test]
fn a_message_nobody_can_read_stops_its_player_and_nobody_else() {
    let product = Product::start();
    let typical = typical(&product, "push");
    let record = typical["Records"][0].clone();
    let body =
        prop_oneof![3 => text(), 2 => value(), 1 => json().prop_map(|json| json.to_string())];
    fuzz(300, &collection::vec((0..3_u8, prop::option::of(body)), 1..6), |messages| {
        let records = messages.iter().zip(0..).map(|((group, body), number)| {
            let mut record = record.clone();
            record["messageId"] = json!(number.to_string());
            record["attributes"]["MessageGroupId"] = json!(group.to_string());
            if let Some(body) = body {
                record["body"] = json!(body);
            }
            record
        });
        let event = json!({ "Records": records.collect::<Vec<_>>() });
        let answer = product.invoke("PushFunction", event);
        let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut stopped = std::collections::BTreeSet::new();
        let mut expected = Vec::new();
        for ((group, body), number) in messages.iter().zip(0..) {
            if body.is_some() || stopped.contains(group) {
                stopped.insert(*group);
                expected.push(json!({ "itemIdentifier": number.to_string() }));
            }
        }
        prop_assert_eq!(&answer["batchItemFailures"], &json!(expected));
        Ok(())
    });
}
