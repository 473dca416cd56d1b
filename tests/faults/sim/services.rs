//! The services behind the wire: the real engine for the table; small models of
//! Kinesis, a FIFO queue, Secrets Manager and `@connections`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use dynoxide::Database;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    history::Event,
    plant::Plant,
    world::{Call, Reply, Socket, SocketState, World},
};

/// SQS knows a deduplication id for this long.
const DEDUPLICATION_MS: i64 = 300_000;

/// A record of the event stream.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: String,
    /// Base64, as it came.
    pub data: String,
}

/// A message of the push queue.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: u64,
    pub group: String,
    pub body: String,
    pub received: u32,
}

/// A FIFO queue: messages in order within a group, a group in one pair of hands.
#[derive(Debug, Default)]
pub struct Fifo {
    pub waiting: VecDeque<Message>,
    pub in_flight: BTreeMap<u64, Message>,
    known: BTreeMap<(String, String), i64>,
}

impl Fifo {
    /// Whether the message is new.
    fn send(&mut self, now_ms: i64, id: u64, group: &str, dedup: &str, body: &str) -> bool {
        let known = self.known.insert((group.to_owned(), dedup.to_owned()), now_ms);
        if known.is_some_and(|at| now_ms - at < DEDUPLICATION_MS) {
            // The window begins with the first.
            self.known.extend(known.map(|at| ((group.to_owned(), dedup.to_owned()), at)));
            return false;
        }
        let message = Message { id, group: group.to_owned(), body: body.to_owned(), received: 0 };
        self.waiting.push_back(message);
        true
    }

    /// Up to `most` messages of groups that nobody works on, in order.
    pub fn receive(&mut self, most: usize) -> Vec<Message> {
        let busy: BTreeSet<_> = self.in_flight.values().map(|m| m.group.clone()).collect();
        let mut taken = Vec::new();
        let mut kept = VecDeque::new();
        for mut message in std::mem::take(&mut self.waiting) {
            if taken.len() < most && !busy.contains(&message.group) {
                message.received += 1;
                self.in_flight.insert(message.id, message.clone());
                taken.push(message);
            } else {
                kept.push_back(message);
            }
        }
        self.waiting = kept;
        taken
    }

    pub fn delete(&mut self, id: u64) {
        self.in_flight.remove(&id);
    }

    /// Gives messages back, in their old places; those that came too often go away.
    pub fn give_back(&mut self, ids: &[u64], most_receives: u32) -> Vec<Message> {
        let mut dead = Vec::new();
        for id in ids.iter().rev() {
            let Some(message) = self.in_flight.remove(id) else { continue };
            if message.received >= most_receives {
                dead.push(message);
            } else {
                self.waiting.push_front(message);
            }
        }
        self.waiting.make_contiguous().sort_by_key(|message| message.id);
        dead
    }
}

fn ok(body: &Value) -> Reply {
    Reply { status: 200, body: serde_json::to_vec(body).expect("JSON serializes") }
}

pub fn refusal(status: u16, kind: &str, message: &str) -> Reply {
    let body = json!({ "__type": kind, "message": message });
    Reply { status, body: serde_json::to_vec(&body).expect("JSON serializes") }
}

impl World {
    /// Lets the call take effect, and answers it.
    pub fn serve(&mut self, call: &Call) -> Reply {
        let call = &self.planted_request(call);
        let reply = match call.service {
            "dynamodb" => self.table_call(call),
            "kinesis" => self.put_records(call),
            "sqs" => self.send(call),
            "secretsmanager" => self.secret(call),
            "clickhouse" => self.clickhouse(call),
            "payments" => self.payments_call(call),
            _ => self.post(call),
        };
        self.planted_reply(call, reply)
    }

    fn table_call(&mut self, call: &Call) -> Reply {
        let database = self.database.clone();
        let eventual = self.watch_reads(call);
        let reply = match call.operation.as_str() {
            "GetItem" => run(call, |q| database.get_item(q)),
            "BatchGetItem" => return self.batch_get(call),
            "Query" => run(call, |q| database.query(q)),
            "PutItem" => run(call, |q| database.put_item(q)),
            "UpdateItem" => run(call, |q| database.update_item(q)),
            "DeleteItem" => run(call, |q| database.delete_item(q)),
            "TransactWriteItems" => run(call, |q| database.transact_write_items(q)),
            other => refusal(400, "UnknownOperationException", other),
        };
        if call.is_transaction() && reply.status == 200 {
            self.drain_stream(call.by);
        }
        if reply.status == 200 {
            self.replicas.write(call);
        }
        // From the calm on, every replica has everything.
        if eventual && !self.calm {
            return self.as_a_replica_has_it(reply);
        }
        reply
    }

    /// What a replica that lags would say instead.
    fn as_a_replica_has_it(&mut self, reply: Reply) -> Reply {
        let behind = self.rng.index(4);
        let answer = serde_json::from_slice(&reply.body).unwrap_or_default();
        ok(&self.replicas.as_of(behind, answer))
    }

    /// Now and then a part of the keys is left for another time.
    fn batch_get(&mut self, call: &Call) -> Reply {
        let database = self.database.clone();
        let mut request = call.json();
        let table = self.table.clone();
        let keys = request["RequestItems"][&table]["Keys"].as_array().cloned().unwrap_or_default();
        let some =
            !self.calm && self.weather.faults > 0 && self.rng.chance(self.weather.faults / 4);
        if !some || keys.len() < 2 {
            return run(call, |q| database.batch_get_item(q));
        }
        // Any of them may come first: a pointer before the state, too.
        let mut keys = keys;
        let turn = self.rng.index(keys.len());
        keys.rotate_left(turn);
        let served = self.rng.index(keys.len());
        let (now, later) = keys.split_at(served);
        let mut answer = json!({ "Responses": { &table: [] } });
        if !now.is_empty() {
            request["RequestItems"][&table]["Keys"] = now.into();
            let body = serde_json::to_vec(&request).expect("JSON serializes");
            let part = Call { body, ..call.clone() };
            let reply = run(&part, |q| database.batch_get_item(q));
            answer = serde_json::from_slice(&reply.body).expect("the engine answers in JSON");
        }
        answer["UnprocessedKeys"] = json!({ &table: { "Keys": later, "ConsistentRead": true } });
        self.note(Event::Call {
            by: call.by,
            call: call.operation.clone(),
            fate: "keys left over",
            status: 200,
        });
        ok(&answer)
    }

    /// Notes reads that AWS would answer with an older state at will.
    fn watch_reads(&mut self, call: &Call) -> bool {
        let request = call.json();
        let (consistent, of) = match call.operation.as_str() {
            "GetItem" => (&request["ConsistentRead"], &request["Key"]["pk"]["S"]),
            "Query" => {
                (&request["ConsistentRead"], &request["ExpressionAttributeValues"][":pk"]["S"])
            }
            "BatchGetItem" => {
                let table = &request["RequestItems"][&self.table];
                (&table["ConsistentRead"], &table["Keys"][0]["pk"]["S"])
            }
            _ => return false,
        };
        let eventual = *consistent != true;
        if eventual {
            let of = of.as_str().unwrap_or_default().to_owned();
            self.note(Event::StaleRead { by: call.by, of });
        }
        eventual
    }

    fn put_records(&mut self, call: &Call) -> Reply {
        let request = call.json();
        let partial = !self.calm && self.rng.chance(self.weather.faults / 2);
        let mut failed = 0;
        let mut answers = Vec::new();
        for record in request["Records"].as_array().into_iter().flatten() {
            if partial && self.rng.chance(400) {
                failed += 1;
                answers.push(json!({
                    "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"
                }));
                continue;
            }
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            self.publish(call.by, text("PartitionKey"), text("Data"));
            let number = format!("{:021}", self.kinesis.len());
            answers.push(json!({ "SequenceNumber": number, "ShardId": "shardId-000000000000" }));
        }
        ok(&json!({ "FailedRecordCount": failed, "Records": answers }))
    }

    pub fn publish(&mut self, by: u32, key: String, data: String) {
        let bytes = BASE64_STANDARD.decode(&data).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.note(Event::Published { by, data: text });
        self.kinesis.push(Record { key, data });
    }

    fn send(&mut self, call: &Call) -> Reply {
        let request = call.json();
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        if call.operation == "SendMessage" {
            self.note(Event::SetAside { body: text(&request, "MessageBody") });
            return ok(&json!({ "MessageId": "m", "MD5OfMessageBody": "0" }));
        }
        let partial = !self.calm && self.rng.chance(self.weather.faults / 2);
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in request["Entries"].as_array().into_iter().flatten() {
            let id = text(entry, "Id");
            if partial && self.rng.chance(400) {
                failed.push(json!({ "Id": id, "Code": "InternalError", "SenderFault": false }));
                continue;
            }
            let (group, now_ms, number) = (text(entry, "MessageGroupId"), self.now_ms(), self.id());
            let dedup = text(entry, "MessageDeduplicationId");
            let body = text(entry, "MessageBody");
            let new = self.queue.send(now_ms, number, &group, &dedup, &body);
            self.note(Event::Queued { by: call.by, group, deduplicated: !new });
            successful.push(json!({
                "Id": id, "MessageId": number.to_string(), "MD5OfMessageBody": "0"
            }));
        }
        ok(&json!({ "Successful": successful, "Failed": failed }))
    }

    fn secret(&self, call: &Call) -> Reply {
        let id = call.json()["SecretId"].as_str().unwrap_or_default().to_owned();
        match self.secrets.get(&id) {
            Some(value) => ok(&json!({ "Name": id, "SecretString": value })),
            None => refusal(400, "ResourceNotFoundException", &id),
        }
    }

    fn post(&mut self, call: &Call) -> Reply {
        let mut socket = call.socket.clone();
        if self.plant == Some(Plant::FrameToAnother)
            && call.operation == "PostToConnection"
            && let Some((other, _)) =
                self.sockets.iter().rev().find(|(_, socket)| socket.state == SocketState::Open)
        {
            socket = other.clone();
        }
        let open = |socket: &Socket| socket.state == SocketState::Open;
        if !self.sockets.get(&socket).is_some_and(open) {
            return refusal(410, "GoneException", "Gone");
        }
        if call.operation == "DeleteConnection" {
            self.sockets.extend([(socket.clone(), Socket { state: SocketState::Closed })]);
            self.note(Event::Closed { socket });
            return Reply { status: 204, body: Vec::new() };
        }
        let frame = call.json();
        self.note(Event::Frame { by: call.by, socket, frame });
        Reply { status: 200, body: Vec::new() }
    }
}

/// One call of the engine.
fn run<Q: DeserializeOwned, A: Serialize>(
    call: &Call,
    act: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> Reply {
    let request = match serde_json::from_slice(&call.body) {
        Ok(request) => request,
        Err(error) => return refusal(400, "SerializationException", &error.to_string()),
    };
    match act(request) {
        Ok(answer) => ok(&serde_json::to_value(&answer).expect("answers serialize")),
        Err(error) => Reply { status: error.status_code(), body: error.to_json().into_bytes() },
    }
}

/// Makes the template's table in a new database.
pub fn database(create: &Value) -> Database {
    let database = devstack::engine::open_database(None).expect("a database in memory");
    let request = serde_json::from_value(create.clone()).expect("the template's table");
    database.create_table(request).expect("the table is made");
    database
}
