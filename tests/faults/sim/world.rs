//! Everything outside the functions: time, chance, services, sockets, history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use dynoxide::Database;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    clickhouse::Server,
    history::{Event, Invocation},
    plant::Plant,
    provider::Book,
    replicas::Replicas,
    rng::Rng,
    services::{Fifo, Record},
};

/// How harsh a run is. Drawn from the seed, so that some seeds are calm about one
/// thing and stormy about another.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Attempts of a call that fail, per mille.
    pub faults: u64,
    /// Answers that are held back, per mille.
    pub held: u64,
    /// Functions that crash, per mille of the steps.
    pub crashes: u64,
    /// Batches that come again, per mille.
    pub duplicates: u64,
    /// Commands of clients under way at once.
    pub concurrency: usize,
    pub players: usize,
    /// Entries that the table's stream loses, per mille.
    pub losses: u64,
    /// Requests that are replaced by an earlier one, per mille.
    pub poison: u64,
    /// Commands that guess at a password, per mille: none, but for a plant.
    pub guesses: u64,
    /// Whether nearly everything is about one player.
    pub hot: bool,
    /// Steps at which hours or days pass, per mille.
    pub days: u64,
    /// Largest difference between a function's clock and the true one.
    pub skew_ms: i64,
}

impl Weather {
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            faults: *rng.pick(&[0, 20, 80, 200, 350]),
            held: *rng.pick(&[0, 100, 400]),
            crashes: *rng.pick(&[0, 2, 10, 25]),
            duplicates: *rng.pick(&[0, 50, 250]),
            concurrency: *rng.pick(&[1, 2, 4, 7]),
            players: *rng.pick(&[1, 2, 2, 3]),
            losses: *rng.pick(&[0, 0, 0, 20]),
            poison: *rng.pick(&[0, 0, 500]),
            guesses: 0,
            hot: rng.chance(300),
            days: *rng.pick(&[0, 4, 15]),
            skew_ms: *rng.pick(&[0, 400, 3_000]),
        }
    }
}

/// An attempt of a call.
#[derive(Clone, Debug)]
pub struct Call {
    pub by: Invocation,
    pub function: &'static str,
    /// `dynamodb`, `kinesis`, `sqs`, `secretsmanager`, `connections`, `clickhouse`,
    /// `payments`.
    pub service: &'static str,
    pub operation: String,
    pub body: Vec<u8>,
    /// Of `connections` only.
    pub socket: String,
}

impl Call {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn is_transaction(&self) -> bool {
        self.operation == "TransactWriteItems"
    }
}

/// An answer of a service, before it is HTTP.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What the SDK sees instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Timeout,
    Disconnect,
}

/// An attempt that waits for the scheduler.
#[derive(Debug)]
pub struct Parked {
    pub call: Call,
    pub waker: Option<Waker>,
    /// The service's answer, once the effect has happened.
    pub effect: Option<Reply>,
    pub outcome: Option<Result<Reply, Failure>>,
}

/// A client's end of a socket.
#[derive(Clone, Debug)]
pub struct Socket {
    pub state: SocketState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// `$connect` has not been answered.
    Opening,
    Open,
    Closed,
}

/// What a struck function goes on suffering: the same again, so often.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    pub fate: &'static str,
    pub left: u64,
}

/// A client's request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub operation: &'static str,
    pub body: Value,
    pub session: Option<uuid::Uuid>,
}

pub struct World {
    pub rng: Rng,
    pub entropy: Rng,
    pub weather: Weather,
    pub plant: Option<Plant>,
    /// Nothing fails any more.
    pub calm: bool,
    /// Virtual time since the start; timers go by it.
    pub elapsed: Duration,
    /// The true clock at the start, and every jump since.
    pub origin_ms: i64,
    pub skew_ms: BTreeMap<&'static str, i64>,
    pub timers: BTreeMap<(Duration, u64), (Invocation, Option<Waker>)>,
    pub parked: BTreeMap<u64, Parked>,
    /// Requests whose callers have gone, and which may still take effect.
    pub late: Vec<Call>,
    pub storms: BTreeMap<Invocation, Storm>,
    next: u64,
    /// Who is being polled.
    pub current: (Invocation, &'static str),
    pub database: Database,
    pub table: String,
    stream_arn: String,
    stream_after: Option<String>,
    /// The table's stream as far as the journal's trigger is concerned.
    pub stream: Vec<Value>,
    pub kinesis: Vec<Record>,
    pub clickhouse: Server,
    pub provider: Book,
    pub replicas: Replicas,
    pub queue: Fifo,
    pub secrets: BTreeMap<String, String>,
    pub sockets: BTreeMap<String, Socket>,
    pub history: Vec<Event>,
    /// Players whose transaction went unanswered, for a plant.
    pub unanswered: BTreeSet<Invocation>,
    /// What each invocation of a client asks, for a plant.
    pub asked: BTreeMap<Invocation, Asked>,
    /// Views that were stored or tried to be, for a plant.
    pub views_tried: BTreeSet<String>,
    pub master_key: [u8; 32],
}

/// The world, shared by scheduler, connectors, clocks and timers of one thread.
#[derive(Clone)]
pub struct Shared(pub Arc<Mutex<World>>);

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

impl World {
    pub fn new(seed: u64, plant: Option<Plant>, database: Database, table: &str) -> Self {
        let mut rng = Rng::new(seed);
        let mut weather = Weather::draw(&mut rng);
        // Others know their passwords, and never guess often enough.
        if plant == Some(Plant::GuessesForgotten) {
            weather.guesses = 500;
        }
        let mut entropy = rng.fork(1);
        let mut master_key = [0; 32];
        entropy.fill(&mut master_key);
        // Some time in 2026, at any time of day, often near midnight.
        let day = rng.range(0, 300);
        let of_day = if rng.chance(400) {
            86_400_000 - rng.range(500, 20_000)
        } else {
            rng.range(0, 86_399_999)
        };
        let origin_ms = 1_767_225_600_000 + day * 86_400_000 + of_day;
        Self {
            rng,
            entropy,
            weather,
            plant,
            calm: false,
            elapsed: Duration::ZERO,
            origin_ms,
            skew_ms: BTreeMap::new(),
            timers: BTreeMap::new(),
            parked: BTreeMap::new(),
            late: Vec::new(),
            storms: BTreeMap::new(),
            next: 0,
            current: (0, ""),
            stream_arn: arn_of_stream(&database, table),
            stream_after: None,
            database,
            table: table.to_owned(),
            stream: Vec::new(),
            kinesis: Vec::new(),
            clickhouse: Server::default(),
            provider: Book::default(),
            replicas: Replicas::default(),
            queue: Fifo::default(),
            secrets: BTreeMap::new(),
            sockets: BTreeMap::new(),
            history: Vec::new(),
            unanswered: BTreeSet::new(),
            asked: BTreeMap::new(),
            views_tried: BTreeSet::new(),
            master_key,
        }
    }

    pub fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn note(&mut self, event: Event) {
        self.history.push(event);
    }

    /// The true time, milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.origin_ms + i64::try_from(self.elapsed.as_millis()).expect("a short run")
    }

    /// The time by a function's clock, milliseconds.
    pub fn clock_ms(&self, function: &str) -> i64 {
        self.now_ms() + self.skew_ms.get(function).copied().unwrap_or_default()
    }

    /// How much later than it should a function's clock is, for a plant; milliseconds.
    pub fn planted_shift_ms(&self, function: &str) -> i64 {
        match self.plant {
            Some(Plant::LocalDay) if function == "streak-claim" => 9 * 3_600_000,
            Some(Plant::RepairCountsToday) if function == "streak-repair" => 24 * 3_600_000,
            _ => 0,
        }
    }

    /// The time that a function goes by.
    pub fn clock(&self, function: &str) -> Timestamp {
        let now = self.clock_ms(function) + self.planted_shift_ms(function);
        Timestamp::from_millisecond(now).expect("of this century")
    }

    /// A call waits for the scheduler from now on.
    pub fn park(&mut self, mut call: Call) -> u64 {
        (call.by, call.function) = self.current;
        let ticket = self.id();
        self.parked.insert(ticket, Parked { call, waker: None, effect: None, outcome: None });
        ticket
    }

    /// Its caller has gone: a request that was under way may take effect later.
    pub fn abandon(&mut self, ticket: u64) {
        if let Some(parked) = self.parked.remove(&ticket)
            && parked.effect.is_none()
            && parked.outcome.is_none()
            && !self.calm
            && self.rng.chance(400)
        {
            self.late.push(parked.call);
        }
    }

    /// Reads what is new in the table's stream and notes the entries in it.
    pub fn drain_stream(&mut self, by: Invocation) {
        use dynoxide::actions::{
            get_records::GetRecordsRequest, get_shard_iterator::GetShardIteratorRequest,
        };
        let request = GetShardIteratorRequest {
            stream_arn: self.stream_arn.clone(),
            shard_id: dynoxide::streams::shard_id(&self.table),
            shard_iterator_type: match self.stream_after {
                Some(_) => "AFTER_SEQUENCE_NUMBER".to_owned(),
                None => "TRIM_HORIZON".to_owned(),
            },
            sequence_number: self.stream_after.clone(),
        };
        let iterator = self.database.get_shard_iterator(request).expect("the stream is there");
        let request = GetRecordsRequest {
            shard_iterator: iterator.shard_iterator.unwrap_or_default(),
            limit: Some(1000),
        };
        let records = self.database.get_records(request).expect("the stream is readable").records;
        for record in records {
            let mut record = serde_json::to_value(record).expect("records serialize");
            let change = &record["dynamodb"];
            self.stream_after = change["SequenceNumber"].as_str().map(str::to_owned);
            if change["NewImage"]["entity"]["S"] != "entry" {
                continue;
            }
            let text = |name: &str| change["NewImage"][name]["S"].as_str().unwrap_or_default();
            let player = text("pk").trim_start_matches("PLAYER#").to_owned();
            let seq = text("sk").trim_start_matches("ENTRY#").parse().unwrap_or_default();
            self.note(Event::Committed { by, player: player.clone(), seq });
            // As the mapping's filter has it. An entry that is written over is noted only.
            if record["eventName"] != "INSERT" {
                continue;
            }
            let losses = self.weather.losses;
            if !self.calm && self.rng.chance(losses) {
                self.note(Event::Lost { player, seq });
                continue;
            }
            record["eventVersion"] = "1.1".into();
            record["eventSource"] = "aws:dynamodb".into();
            record["awsRegion"] = "us-east-1".into();
            record["eventSourceARN"] = "arn:aws:dynamodb:us-east-1:000000000000:table/t".into();
            // Of the engine's own clock and dice.
            record["eventID"] = format!("{}", self.stream.len()).into();
            record["dynamodb"]["SequenceNumber"] = format!("{:021}", self.stream.len()).into();
            record["dynamodb"]["ApproximateCreationDateTime"] = (self.now_ms() / 1000).into();
            self.stream.push(record);
        }
    }

    /// Every item of the table, by key.
    pub fn items(&self) -> Vec<Value> {
        let mut items = Vec::new();
        let mut from = Value::Null;
        loop {
            let mut request = serde_json::json!({ "TableName": self.table });
            if !from.is_null() {
                request["ExclusiveStartKey"] = from;
            }
            let request = serde_json::from_value(request).expect("a scan");
            let answer = self.database.scan(request).expect("the table can be read");
            let mut answer = serde_json::to_value(answer).expect("answers serialize");
            items.extend(answer["Items"].as_array_mut().map(std::mem::take).unwrap_or_default());
            from = answer["LastEvaluatedKey"].take();
            if from.is_null() {
                break;
            }
        }
        let text =
            |item: &Value, name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        items.sort_by_key(|item| (text(item, "pk"), text(item, "sk")));
        items
    }
}

fn arn_of_stream(database: &Database, table: &str) -> String {
    let request = serde_json::from_value(serde_json::json!({ "TableName": table }));
    let described =
        database.describe_table(request.expect("a request")).expect("the table is there");
    let described = serde_json::to_value(described).expect("answers serialize");
    described["Table"]["LatestStreamArn"].as_str().unwrap_or_default().to_owned()
}
