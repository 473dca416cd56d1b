//! What clients tell about themselves: how pages are used and how fast they are.
//!
//! No journal and no money: what is lost here is missed in a report. It goes its own way,
//! a stream and a table of its own, so that a client that tells too much delays no event.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{Ctx, PlayerId, TelemetryBatchId};

/// Of events of a noisy name one in so many is kept.
pub const SAMPLED_ONE_IN: u8 = 5;

/// What one request told, as the telemetry stream carries it. `(user_id, batch_id)`
/// identifies it for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub batch_id: TelemetryBatchId,
    pub user_id: PlayerId,
    /// When the server heard it.
    pub received_at: Timestamp,
    pub trace_id: String,
    pub events: Vec<Event>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the request, from 0.
    pub n: u8,
    pub name: String,
    /// When it was, as the client's clock has it.
    pub client_ts: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Value>>,
    /// How many events it stands for.
    pub weight: u8,
}

/// An event as a client told it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub name: String,
    /// When it was, as the client's clock has it.
    pub client_ts: Timestamp,
    pub meta: Option<Map<String, Value>>,
}

impl Batch {
    /// What one request told, less what is not in the sample. With an idempotency `key` it
    /// is the same batch whenever the same is told. Of fewer than 255 events.
    ///
    /// # Panics
    /// When an event does not serialize, which is a defect.
    #[must_use]
    pub fn of(
        ctx: &Ctx,
        user_id: PlayerId,
        key: Option<&str>,
        told: impl IntoIterator<Item = Told>,
        noisy: &NoisyNames,
    ) -> Self {
        let events = (0..).zip(told).filter_map(|(n, Told { name, client_ts, meta })| {
            let weight = noisy.weight(user_id, &name, client_ts)?;
            Some(Event { n, name, client_ts, meta, weight })
        });
        let events: Vec<_> = events.collect();
        let batch_id = key.map_or_else(
            || TelemetryBatchId::mint(ctx),
            |key| {
                let told = serde_json::to_vec(&events).expect("events serialize");
                TelemetryBatchId::of_key(user_id, key, &told)
            },
        );
        let trace_id = ctx.trace_id.clone();
        Self { batch_id, user_id, received_at: ctx.now, trace_id, events }
    }
}

/// Names of which there are so many that a sample says as much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoisyNames(Vec<String>);

impl NoisyNames {
    /// Reads names that are joined by commas.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        Self(names.map(str::to_owned).collect())
    }

    /// How many events an event stands for; `None` when it is not in the sample.
    ///
    /// By a hash of what it is, so that an event that is told twice is kept both times or
    /// neither. A client that wants to can find out which: nothing hangs on it.
    #[must_use]
    pub fn weight(&self, player: PlayerId, name: &str, client_ts: Timestamp) -> Option<u8> {
        if !self.0.iter().any(|noisy| noisy == name) {
            return Some(1);
        }
        let mut hash = Sha256::new();
        hash.update(player.uuid());
        hash.update(client_ts.as_millisecond().to_be_bytes());
        hash.update(name);
        let first = u64::from_be_bytes(hash.finalize()[..8].try_into().expect("eight bytes"));
        (first % u64::from(SAMPLED_ONE_IN) == 0).then_some(SAMPLED_ONE_IN)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_noisy_is_kept() {
        let names = NoisyNames::parse("ui.scroll, client.fps,");
        let player = PlayerId::from_bytes([1; 16]);
        for ms in 0..100 {
            let at = Timestamp::from_millisecond(ms).unwrap();
            assert_eq!(names.weight(player, "page.view", at), Some(1));
            assert_eq!(NoisyNames::parse("").weight(player, "", at), Some(1));
        }
    }

    #[test]
    fn of_noisy_names_one_in_five_stands_for_five() {
        let names = NoisyNames::parse("ui.scroll,client.fps");
        let player = PlayerId::from_bytes([1; 16]);
        let weights = (0..10_000_i64).map(|ms| {
            let at = Timestamp::from_millisecond(ms).unwrap();
            let weight = names.weight(player, "client.fps", at);
            assert_eq!(weight, names.weight(player, "client.fps", at));
            weight
        });
        let kept: Vec<u8> = weights.flatten().collect();
        assert!(kept.iter().all(|weight| *weight == SAMPLED_ONE_IN));
        // Six standard deviations (40) around 2,000.
        assert!((1_760..=2_240).contains(&kept.len()), "{}", kept.len());
    }

    fn ctx(seed: u8) -> Ctx {
        let now = Timestamp::from_millisecond(1_795_222_923_456).unwrap();
        Ctx { now, seed: [seed; 32], trace_id: "t-1".to_owned() }
    }

    #[test]
    fn what_is_left_out_leaves_its_place_empty() {
        let names = NoisyNames::parse("client.fps");
        let player = PlayerId::from_bytes([1; 16]);
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let sampled = |ms: &i64| names.weight(player, "client.fps", at(*ms)).is_some();
        let kept = (0..).find(sampled).unwrap();
        let left_out = (0..).find(|ms| !sampled(ms)).unwrap();
        let told = [
            ("client.fps", left_out),
            ("page.view", 7),
            ("client.fps", kept),
            ("client.fps", left_out),
            ("page.leave", 3),
        ];
        let told = told.map(|(name, ms)| {
            let meta = json!({ "ms": ms }).as_object().cloned();
            Told { name: name.to_owned(), client_ts: at(ms), meta }
        });
        let ctx = ctx(0);
        let batch = Batch::of(&ctx, player, None, told.clone(), &names);
        let event = |n: u8, weight| {
            let Told { name, client_ts, meta } = told[usize::from(n)].clone();
            Event { n, name, client_ts, meta, weight }
        };
        assert_eq!(batch.events, [event(1, 1), event(2, SAMPLED_ONE_IN), event(4, 1)]);
        assert_eq!((batch.user_id, batch.received_at), (player, ctx.now));
        assert_eq!(batch.trace_id, ctx.trace_id);
    }

    #[test]
    fn a_batch_with_a_key_is_the_same_one_again_and_one_without_is_new() {
        let told = |name: &str| {
            [Told { name: name.to_owned(), client_ts: Timestamp::UNIX_EPOCH, meta: None }]
        };
        let batch = |player, key, seed, name| {
            Batch::of(&ctx(seed), player, key, told(name), &NoisyNames::default()).batch_id
        };
        let id = |player, key, seed| batch(player, key, seed, "page.view");
        let [player, other] = [1, 2].map(|byte| PlayerId::from_bytes([byte; 16]));
        assert_eq!(id(player, Some("k"), 1), id(player, Some("k"), 2));
        assert_ne!(id(player, Some("k"), 1), id(other, Some("k"), 1));
        assert_ne!(id(player, Some("k"), 1), batch(player, Some("k"), 1, "page.leave"));
        assert_eq!(id(player, None, 1), TelemetryBatchId::mint(&ctx(1)));
        assert_ne!(id(player, None, 1), id(player, None, 2));
    }

    #[test]
    fn a_batch_reads_back() {
        let event = Event {
            n: 0,
            name: "page.view".to_owned(),
            client_ts: Timestamp::from_millisecond(1_795_222_923_456).unwrap(),
            meta: None,
            weight: 1,
        };
        let batch = Batch {
            batch_id: TelemetryBatchId::from_bytes([2; 16]),
            user_id: PlayerId::from_bytes([1; 16]),
            received_at: event.client_ts,
            trace_id: "t-1".to_owned(),
            events: vec![event],
        };
        let text = serde_json::to_string(&batch).unwrap();
        assert_eq!(serde_json::from_str::<Batch>(&text).unwrap(), batch);
    }
}
