//! The triggers, small: batches cut anywhere, one at a time per lane, from the
//! record that failed on; now and then once more from further back.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::{
    functions::SPEC,
    history::Event,
    plant::Plant,
    run::{Purpose, Run},
    services::Message,
};

/// As the template's redrive policy of the push queue has it.
static MOST_RECEIVES: LazyLock<u32> = LazyLock::new(|| {
    let queue = SPEC.queues.iter().find(|queue| queue.logical_id == "PushQueue");
    let policy = &queue.expect("the push queue").attributes["RedrivePolicy"];
    let policy: Value = serde_json::from_str(policy).expect("JSON");
    let count = &policy["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    count.and_then(|count| u32::try_from(count).ok()).expect("a number")
});

/// Where a reader of a stream stands.
#[derive(Debug, Default)]
pub struct Reader {
    next: usize,
    busy: bool,
    /// The most records of the next batch, after one that failed whole.
    bisected: Option<usize>,
}

impl Reader {
    fn returned(&mut self, start: usize, length: usize, failed_at: Option<usize>) {
        self.busy = false;
        match failed_at {
            None => (self.next, self.bisected) = (start + length, None),
            Some(0) if length > 1 => (self.next, self.bisected) = (start, Some(length / 2)),
            Some(at) => (self.next, self.bisected) = (start + at, None),
        }
    }
}

/// Which trigger.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    Outbox,
    Projections(usize),
    Rows,
    /// The same records in a second pair of hands, while the first has not let go: a
    /// function that AWS has given up on, or that it has invoked twice.
    RowsAtOnce,
    Push,
    /// A notice of the payment provider's.
    Notice,
    /// Something becomes of a payment by itself.
    Payment,
}

#[derive(Debug, Default)]
pub struct Triggers {
    outbox: Reader,
    /// Two lanes, as the mapping's parallelization factor has it.
    lanes: [(Vec<usize>, Reader); 2],
    assigned: usize,
    rows: Reader,
    rows_at_once: usize,
    pushing: usize,
}

impl Run {
    pub fn triggers_idle(&mut self) -> bool {
        self.triggers_ready().is_empty()
    }

    /// Triggers with something to deliver and hands free for it.
    pub fn triggers_ready(&mut self) -> Vec<Which> {
        let world = self.world.lock();
        let triggers = &mut self.triggers;
        for (number, record) in world.kinesis.iter().enumerate().skip(triggers.assigned) {
            let lane = record.key.bytes().map(usize::from).sum::<usize>() % 2;
            triggers.lanes[lane].0.push(number);
        }
        triggers.assigned = world.kinesis.len();
        let mut ready = Vec::new();
        if !triggers.outbox.busy && triggers.outbox.next < world.stream.len() {
            ready.push(Which::Outbox);
        }
        for (lane, (records, reader)) in triggers.lanes.iter().enumerate() {
            if !reader.busy && reader.next < records.len() {
                ready.push(Which::Projections(lane));
            }
        }
        if !triggers.rows.busy && triggers.rows.next < world.kinesis.len() {
            ready.push(Which::Rows);
        }
        if triggers.rows.busy && triggers.rows_at_once < 2 && !world.calm {
            ready.push(Which::RowsAtOnce);
        }
        let groups: std::collections::BTreeSet<_> =
            world.queue.in_flight.values().map(|message| &message.group).collect();
        let receivable = world.queue.waiting.iter().any(|m| !groups.contains(&m.group));
        if receivable && triggers.pushing < 2 {
            ready.push(Which::Push);
        }
        if world.provider.has_news() {
            ready.push(Which::Notice);
        }
        if world.provider.has_plans() {
            ready.push(Which::Payment);
        }
        ready
    }

    pub fn deliver(&mut self, which: Which) {
        match which {
            Which::Outbox => {
                let length = self.world.lock().stream.len();
                let (start, end) = self.cut(which, length);
                self.triggers.outbox.busy = true;
                let records: Vec<_> = self.world.lock().stream[start..end].to_vec();
                let event = json!({ "Records": records });
                let about = format!("journal {start}..{end}");
                let purpose = Purpose::Outbox { start, length: end - start };
                self.trigger("outbox", about, event, purpose);
            }
            Which::Projections(lane) => {
                let length = self.triggers.lanes[lane].0.len();
                let (start, end) = self.cut(which, length);
                self.triggers.lanes[lane].1.busy = true;
                let numbers = self.triggers.lanes[lane].0[start..end].to_vec();
                let event = json!({ "Records": numbers.iter().map(|n| self.record(*n)).collect::<Vec<_>>() });
                let about = format!("events {start}..{end} of lane {lane}");
                let purpose = Purpose::Projections { lane, start, length: end - start };
                self.trigger("projections", about, event, purpose);
            }
            Which::Rows | Which::RowsAtOnce => {
                let heard = matches!(which, Which::Rows);
                if !heard {
                    let mut world = self.world.lock();
                    let duplicates = world.weather.duplicates;
                    if !world.rng.chance(duplicates) {
                        return;
                    }
                }
                let length = self.world.lock().kinesis.len();
                let (start, end) = self.cut(which, length);
                if heard {
                    self.triggers.rows.busy = true;
                } else {
                    self.triggers.rows_at_once += 1;
                }
                let records: Vec<_> = (start..end).map(|number| self.record(number)).collect();
                let event = json!({ "Records": records });
                let about = format!("events {start}..{end} for ClickHouse");
                let purpose = Purpose::Rows { start, length: end - start, heard };
                self.trigger("olap-load", about, event, purpose);
            }
            Which::Push => {
                let mut world = self.world.lock();
                let most = 1 + world.rng.index(10);
                let messages = world.queue.receive(most);
                drop(world);
                self.triggers.pushing += 1;
                let event = json!({ "Records": messages.iter().map(message).collect::<Vec<_>>() });
                let about = format!("{} messages", messages.len());
                let messages = messages.iter().map(|message| message.id).collect();
                self.trigger("push", about, event, Purpose::Push { messages });
            }
            Which::Notice => self.send_notice(),
            Which::Payment => self.world.lock().provider_acts(),
        }
    }

    /// Where the next batch begins and ends.
    fn cut(&mut self, which: Which, length: usize) -> (usize, usize) {
        let reader = match which {
            Which::Projections(lane) => &self.triggers.lanes[lane].1,
            Which::Rows | Which::RowsAtOnce => &self.triggers.rows,
            Which::Outbox | Which::Push | Which::Notice | Which::Payment => &self.triggers.outbox,
        };
        let mut world = self.world.lock();
        let again = !world.calm && {
            let duplicates = world.weather.duplicates;
            world.rng.chance(duplicates)
        };
        let back = if again { 1 + world.rng.index(6) } else { 0 };
        let start = reader.next.saturating_sub(back);
        let most = (length - start).min(reader.bisected.unwrap_or(100)).min(100);
        let cut =
            if world.calm || world.rng.chance(300) { most } else { 1 + world.rng.index(most) };
        (start, start + cut.max(1))
    }

    fn trigger(&mut self, function: &'static str, about: String, event: Value, why: Purpose) {
        let by = self.next_invocation();
        let mut world = self.world.lock();
        let clock_ms = world.clock_ms(function);
        world.note(Event::Invoked { by, function, about, clock_ms });
        drop(world);
        self.invoke(by, function, event, why);
    }

    pub fn start_repair(&mut self) {
        let event =
            json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
        self.trigger("streak-repair", "every player".to_owned(), event, Purpose::Other);
    }

    pub fn start_cleanup(&mut self) {
        let event =
            json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} });
        self.trigger("pending-cleanup", "every open purchase".to_owned(), event, Purpose::Other);
    }

    /// As an operator orders it who knows that records are lost.
    pub fn start_sweep(&mut self) {
        let order = json!({ "everybody": true, "after_seconds": 0 });
        self.trigger("outbox-sweep", "every journal".to_owned(), order, Purpose::Other);
    }

    fn record(&self, number: usize) -> Value {
        let world = self.world.lock();
        let record = &world.kinesis[number];
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.key,
                "sequenceNumber": sequence(number),
                "data": record.data,
                "approximateArrivalTimestamp": 1_795_222_923.456,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("shardId-000000000000:{}", sequence(number)),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::000000000000:role/sim",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/events",
        })
    }

    pub fn outbox_returned(&mut self, start: usize, length: usize, answer: Option<&Value>) {
        let world = self.world.lock();
        let place = |id: &str| {
            let is_it = |record: &Value| record["dynamodb"]["SequenceNumber"] == id;
            world.stream[start..start + length].iter().position(is_it)
        };
        let mut failed_at = failure(answer, place);
        match world.plant {
            Some(Plant::AcknowledgeBeforePublish) => failed_at = None,
            Some(Plant::FailurePastUnpublished) => {
                failed_at = failed_at.map(|at| at + 1).filter(|at| *at < length);
            }
            _ => {}
        }
        drop(world);
        self.triggers.outbox.returned(start, length, failed_at);
    }

    pub fn projections_returned(
        &mut self,
        lane: usize,
        start: usize,
        length: usize,
        answer: Option<&Value>,
    ) {
        let (records, reader) = &mut self.triggers.lanes[lane];
        let numbers = &records[start..start + length];
        let place = |id: &str| numbers.iter().position(|number| sequence(*number) == id);
        let failed_at = failure(answer, place);
        reader.returned(start, length, failed_at);
    }

    pub fn rows_returned(
        &mut self,
        start: usize,
        length: usize,
        heard: bool,
        answer: Option<&Value>,
    ) {
        if !heard {
            self.triggers.rows_at_once -= 1;
            return;
        }
        let place = |id: &str| (start..start + length).position(|number| sequence(number) == id);
        let failed_at = match self.world.lock().plant {
            Some(Plant::AcknowledgeBeforeLoad) => None,
            _ => failure(answer, place),
        };
        self.triggers.rows.returned(start, length, failed_at);
    }

    pub fn push_returned(&mut self, messages: &[u64], answer: Option<&Value>) {
        self.triggers.pushing -= 1;
        let failed: Vec<u64> = match answer {
            None => messages.to_vec(),
            Some(answer) => answer["batchItemFailures"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|failure| failure["itemIdentifier"].as_str()?.parse().ok())
                .collect(),
        };
        let mut world = self.world.lock();
        let careless = world.plant == Some(Plant::AcknowledgeBeforePush);
        // A message that was handled, and whose deletion got lost, comes again; so do
        // those of its group behind it.
        let lost = !world.calm && {
            let duplicates = world.weather.duplicates;
            world.rng.chance(duplicates / 3)
        };
        let mut back = Vec::new();
        for id in messages {
            let failed = failed.contains(id) && !careless;
            if failed || (lost && world.rng.chance(500)) {
                back.push(*id);
            } else {
                world.queue.delete(*id);
            }
        }
        for Message { group, body, .. } in world.queue.give_back(&back, *MOST_RECEIVES) {
            world.note(Event::DeadLetter { group, body });
        }
    }
}

/// The place of the first record that failed; the first of all if the function did.
fn failure(answer: Option<&Value>, place: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    let Some(answer) = answer else { return Some(0) };
    let failures = answer["batchItemFailures"].as_array().into_iter().flatten();
    failures.map(|failure| failure["itemIdentifier"].as_str().and_then(&place).unwrap_or(0)).min()
}

fn sequence(number: usize) -> String {
    format!("{number:021}")
}

fn message(message: &Message) -> Value {
    json!({
        "messageId": message.id.to_string(),
        "receiptHandle": message.id.to_string(),
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.received.to_string(),
            "MessageGroupId": message.group,
        },
        "messageAttributes": {},
        "md5OfBody": "0",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:push.fifo",
        "awsRegion": "us-east-1",
    })
}
