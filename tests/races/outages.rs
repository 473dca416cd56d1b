//! Stream, queue and sockets that fail: changes go on, and nothing is lost.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use devstack::{
    Stack,
    engine::{Call, Fault, Service, Verdict},
};
use serde_json::{Value, json};
use tests::{Api, DEADLINE, Player, books, everything, stack, until_seen};

/// A service that fails so many calls and then works again.
#[derive(Debug)]
struct Outage {
    service: Service,
    verdict: Verdict,
    left: AtomicU32,
}

impl Outage {
    fn begin(stack: &Stack, service: Service, verdict: Verdict, calls: u32) -> Arc<Self> {
        let outage = Arc::new(Self { service, verdict, left: AtomicU32::new(calls) });
        stack.engine().set_fault(Some(outage.clone()));
        outage
    }

    fn is_over(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

impl Fault for Outage {
    fn before(&self, call: &Call<'_>) -> Verdict {
        // Polls of the triggers themselves are not what is to fail.
        let sends = ["PutRecords", "SendMessage", "SendMessageBatch", "PostToConnection"];
        if call.service != self.service || !sends.contains(&call.operation) {
            return Verdict::Pass;
        }
        let spend = |left: u32| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
            Ok(_) => self.verdict,
            Err(_) => Verdict::Pass,
        }
    }
}

fn round_of(frame: &Value) -> Option<u64> {
    frame["seq"].as_u64().filter(|_| frame["type"] == "game_update")
}

async fn nothing_is_lost(service: Service, verdict: Verdict) {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    stack.settled(DEADLINE).await.expect("settles");

    // Three attempts of the SDK, twice, and one more.
    let outage = Outage::begin(&stack, service, verdict, 7);
    for number in 0..20 {
        let answer = player.spin(1, &format!("spin-{number}")).send().await;
        assert_eq!((answer.status.as_u16(), answer.is_replayed()), (200, false), "{}", answer.text);
    }
    stack.settled(DEADLINE).await.expect("settles after the outage");
    assert!(outage.is_over(), "the outage was felt: {outage:?}");

    // Live: every frame comes, late but in order.
    until_seen(&mut socket, &everything(21)).await;
    let mut seqs: Vec<_> = socket.frames.iter().filter_map(round_of).collect();
    let mut known = BTreeSet::new();
    seqs.retain(|seq| known.insert(*seq));
    assert!(seqs.is_sorted(), "{seqs:?}");
    // Asked for: the same.
    let mut late = player.socket().await;
    late.until("initial_state").await;
    late.send(&json!({ "action": "sync", "last_seq": 1 })).await;
    until_seen(&mut late, &everything(21)).await;

    let id = player.id.parse().expect("an id");
    let opened = stack.store("test").open(store::Subject::system(id)).await.expect("opens");
    assert_eq!((opened.stored_seq, opened.stats.total().plays), (21, 20));
    assert_eq!(books(&stack, &player).await.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_off_for_a_while_loses_nothing() {
    nothing_is_lost(Service::Kinesis, Verdict::Disconnect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_throttles_for_a_while_loses_nothing() {
    nothing_is_lost(Service::Kinesis, Verdict::Throttle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_cut_off_for_a_while_loses_nothing() {
    nothing_is_lost(Service::Sqs, Verdict::Disconnect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_fails_inside_for_a_while_loses_nothing() {
    nothing_is_lost(Service::Sqs, Verdict::InternalError).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_cannot_be_reached_never_fail_a_change() {
    let stack = stack().await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let mut socket = player.socket().await;
    socket.until("initial_state").await;

    for verdict in [Verdict::Disconnect, Verdict::Timeout, Verdict::InternalError] {
        Outage::begin(&stack, Service::Connections, verdict, u32::MAX);
        let answer = player.spin(1, &format!("{verdict:?}")).send().await;
        assert_eq!((answer.status.as_u16(), answer.is_replayed()), (200, false), "{}", answer.text);
    }
    assert_eq!(books(&stack, &player).await.len(), 4);

    // What was missed is there for the asking.
    stack.engine().set_fault(None);
    socket.send(&json!({ "action": "sync", "last_seq": 1 })).await;
    until_seen(&mut socket, &everything(4)).await;
}
