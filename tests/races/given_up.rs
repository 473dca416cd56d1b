//! Push messages that cannot be delivered: the sockets they were for are given up,
//! and only those, and what was missed can be asked for.
//!
//! Tries are a minute apart, so the tests deliver the messages themselves.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use devstack::{
    Options, Stack,
    engine::{Call, Fault, Verdict, queue_url},
};
use domain::PlayerId;
use runtime::push::{Body, Message};
use serde_json::{Value, json};
use tests::{Api, DEADLINE, Player, Socket, eventually, everything, stack_with, until_seen};

/// The try at which `push` gives up.
const LAST: u32 = 5;

/// A stack whose push messages the test delivers.
struct Scene {
    stack: Stack,
    player: Player,
    id: PlayerId,
}

impl Scene {
    async fn new() -> Self {
        let stack = stack_with(Options { triggers: false, ..Options::default() }).await;
        let player = Player::sign_up(&Api::new(&stack.base_url)).await;
        let id = player.id.parse().expect("an id");
        Self { stack, player, id }
    }

    /// Delivers what the queue hands out for the `received`th time; whether it comes
    /// back.
    async fn deliver(&self, body: &str, received: u32) -> bool {
        let event = json!({ "Records": [{
            "messageId": "message", "receiptHandle": "message", "body": body,
            "attributes": {
                "ApproximateReceiveCount": received.to_string(), "MessageGroupId": self.player.id,
            },
            "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:push.fifo",
            "awsRegion": "us-east-1",
        }]});
        let answer = self.stack.invoke("PushFunction", event).await.expect("an answer");
        answer["batchItemFailures"][0]["itemIdentifier"] == "message"
    }

    /// Its sockets, by their ids.
    async fn connections(&self) -> Vec<String> {
        let known = self.stack.store("test").connections(self.id).await.expect("connections");
        known.into_iter().map(|connection| connection.connection_id).collect()
    }

    /// Opens a socket; greeted, and its id.
    async fn socket(&self) -> (Socket, String) {
        let before = self.connections().await;
        let mut socket = self.player.socket().await;
        let new = self.connections().await.into_iter().find(|id| !before.contains(id));
        let connection_id = new.expect("a new one");
        let greet =
            Message { player: self.id, body: Body::Greet { connection_id: connection_id.clone() } };
        let greet = serde_json::to_string(&greet).expect("messages serialize");
        assert!(!self.deliver(&greet, 1).await);
        socket.until("initial_state").await;
        (socket, connection_id)
    }

    /// A round, and the message about it.
    async fn round(&self) -> String {
        self.player.spin(1, &tests::fresh_name()).send().await.ok();
        let store = self.stack.store("test");
        let version =
            store.player(store::Subject::system(self.id)).await.expect("is there").version;
        let entries = store.entries_after(self.id, version - 1, 1).await.expect("entries");
        let message = Message::frames(self.id, &domain::frames(&entries[0]));
        serde_json::to_string(&message).expect("messages serialize")
    }

    /// Breaks what `fault` says; the handle to mend it in parts.
    fn break_for(&self, connection: &str) -> Arc<Broken> {
        let broken = Arc::new(Broken { connection: connection.to_owned(), ..Broken::default() });
        self.stack.engine().set_fault(Some(broken.clone()));
        broken
    }
}

/// One socket takes no rounds: the second frame of an entry is the first to fail, and
/// frames of later entries would arrive.
#[derive(Debug, Default)]
struct Broken {
    connection: String,
    /// Nor can it be closed.
    unclosable: AtomicBool,
    /// And `push` can forget nobody.
    table: AtomicBool,
}

impl Fault for Broken {
    fn before(&self, call: &Call<'_>) -> Verdict {
        let round = || String::from_utf8_lossy(call.body).contains("\"game_update\"");
        let ours = call.connection == self.connection;
        let broken = match call.operation {
            "PostToConnection" => ours && round(),
            "DeleteConnection" => ours && self.unclosable.load(Ordering::SeqCst),
            "DeleteItem" => call.caller == "PushFunction" && self.table.load(Ordering::SeqCst),
            _ => false,
        };
        if broken { Verdict::Disconnect } else { Verdict::Pass }
    }
}

fn names(frames: &[Value]) -> Vec<(u64, String)> {
    let mut names: Vec<_> = frames
        .iter()
        .map(|frame| {
            let kind = frame["type"].as_str().unwrap_or_default();
            (frame["seq"].as_u64().unwrap_or_default(), kind.to_owned())
        })
        .collect();
    names.dedup();
    names
}

/// What else came before the socket was closed.
async fn rest(mut socket: Socket) -> Vec<(u64, String)> {
    let read = async {
        let mut frames = Vec::new();
        while let Some(frame) = socket.next_or_end().await {
            frames.push(frame);
        }
        frames
    };
    names(&tokio::time::timeout(DEADLINE, read).await.expect("the socket is closed"))
}

async fn a_client_comes_back(scene: &Scene) {
    let (mut back, _) = scene.socket().await;
    back.send(&json!({ "action": "sync", "last_seq": 1 })).await;
    until_seen(&mut back, &everything(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_missed_a_frame_gets_none_after_it_and_its_client_can_ask() {
    let scene = Scene::new().await;
    let (mut stays, staying) = scene.socket().await;
    let (fails, failing) = scene.socket().await;
    let greeted = stays.frames.len();
    let (first, second) = (scene.round().await, scene.round().await);
    scene.break_for(&failing);

    for received in 1..LAST {
        assert!(scene.deliver(&first, received).await, "try {received}");
        assert_eq!(scene.connections().await.len(), 2, "try {received}");
    }
    assert!(!scene.deliver(&first, LAST).await, "the message counts as delivered");
    assert_eq!(scene.connections().await, [staying]);
    assert!(!scene.deliver(&second, 1).await);

    let half = (2, "profile_update".to_owned());
    assert_eq!(rest(fails).await, [half], "again and again, and nothing else");
    stays.until_frame(|frame| frame["type"] == "game_update" && frame["seq"] == 3).await;
    let mut seen = names(&stays.frames[greeted..]);
    let mut known = std::collections::BTreeSet::new();
    seen.retain(|frame| known.insert(frame.clone()));
    let frame = |seq, kind: &str| (seq, kind.to_owned());
    let expected = [
        frame(2, "profile_update"),
        frame(2, "game_update"),
        frame(3, "profile_update"),
        frame(3, "game_update"),
    ];
    assert_eq!(seen, expected);

    scene.stack.engine().set_fault(None);
    a_client_comes_back(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_cannot_be_closed_hears_nothing_and_is_closed_when_it_speaks() {
    let scene = Scene::new().await;
    let (mut fails, failing) = scene.socket().await;
    let (first, second) = (scene.round().await, scene.round().await);
    scene.break_for(&failing).unclosable.store(true, Ordering::SeqCst);

    assert!(!scene.deliver(&first, LAST).await);
    assert!(scene.connections().await.is_empty());
    scene.stack.engine().set_fault(None);
    assert!(!scene.deliver(&second, 1).await);
    fails.send(&json!({ "action": "ping" })).await;
    assert_eq!(rest(fails).await, [(2, "profile_update".to_owned())]);
    a_client_comes_back(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_table_is_down_the_message_comes_back() {
    let scene = Scene::new().await;
    let (_fails, failing) = scene.socket().await;
    let message = scene.round().await;
    let broken = scene.break_for(&failing);
    broken.table.store(true, Ordering::SeqCst);
    for received in LAST..LAST + 3 {
        assert!(scene.deliver(&message, received).await, "try {received}");
    }
    broken.table.store(false, Ordering::SeqCst);
    assert!(!scene.deliver(&message, LAST + 3).await);
    assert!(scene.connections().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_that_cannot_be_said_is_given_up_with_its_socket() {
    let scene = Scene::new().await;
    let socket = scene.player.socket().await;
    let connection_id = scene.connections().await.remove(0);
    let greet = Message { player: scene.id, body: Body::Greet { connection_id } };
    let greet = serde_json::to_string(&greet).expect("messages serialize");
    scene.stack.engine().set_fault(Some(Arc::new(Mute)));
    assert!(scene.deliver(&greet, LAST - 1).await);
    assert!(!scene.deliver(&greet, LAST).await);
    assert!(scene.connections().await.is_empty());
    assert!(rest(socket).await.is_empty());
}

/// Nothing can be posted.
#[derive(Debug)]
struct Mute;

impl Fault for Mute {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.operation == "PostToConnection" { Verdict::InternalError } else { Verdict::Pass }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_is_set_aside_and_its_player_comes_back() {
    let scene = Scene::new().await;
    let (socket, _) = scene.socket().await;
    let other = Player::sign_up(&Api::new(&scene.stack.base_url)).await;
    let others = scene.stack.store("test");
    let other_id: PlayerId = other.id.parse().expect("an id");
    let _theirs = other.socket().await;
    let unreadable = r#"{"of":"a newer version"}"#;
    for received in 1..LAST {
        assert!(scene.deliver(unreadable, received).await, "try {received}");
        assert_eq!(scene.connections().await.len(), 1, "try {received}");
    }
    assert!(!scene.deliver(unreadable, LAST).await);
    assert!(scene.connections().await.is_empty());
    assert!(rest(socket).await.is_empty());
    assert_eq!(others.connections(other_id).await.expect("connections").len(), 1);

    let queues = &scene.stack.spec().queues;
    let dead = queues.iter().find(|queue| queue.logical_id == "PushDeadLetterQueue");
    let dead = queue_url(&dead.expect("the dead-letter queue").name);
    let sqs = aws_sdk_sqs::Client::new(&scene.stack.engine().sdk_config());
    eventually("the message is in the dead-letter queue, as it was", || async {
        let received = sqs.receive_message().queue_url(&dead).send().await.expect("answers");
        received.messages().first().and_then(|message| message.body()) == Some(unreadable)
    })
    .await;
}
