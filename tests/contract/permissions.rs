//! What functions may do is what they do: nothing is missing from a policy, and
//! nothing in it is never used.
//!
//! Two proofs, each of what the other cannot see. The local stack enforces the
//! policies, so one run of everything shows what is granted in vain, and every
//! other test what is missing. The other one is in [`crate::binaries`].

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use devstack::{
    Options, Stack,
    engine::{Call, Fault, Verdict},
    seed::Seeding,
};
use domain::{Ctx, EmailAddress, PlayerId, Role, command::change_email};
use reqwest::Method;
use runtime::{Clock, Entropy, command::once_by_nature};
use serde_json::json;
use store::{Decision, Subject};
use tests::{
    Api, ClickHouse, DEADLINE, Hands, Mailbox, Maker, PASSWORD, Player, Purchase, Reaction,
    Receiver, Table, Till, eventually, poisoned, shop, signup_body, stack_with,
};

const NOON: &str = "2026-12-01T12:00:00Z";
/// After a day on which nobody claimed.
const TWO_NIGHTS_LATER: &str = "2026-12-03T00:05:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn no_permission_is_granted_in_vain() {
    let hands = Hands::at(NOON);
    let at_once = ["WebhookFirstRetrySeconds", "OutboxLongestWaitSeconds"]
        .map(|wait| (wait.to_owned(), "0".to_owned()));
    let driven = Options { payment_pace: provider::Pace::Driven, ..hands.options() };
    let options = Options { parameters: at_once.into(), ..shop::prompt_payments(driven) };
    let stack = stack_with(options).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    http(&player).await;
    let maker = Maker::new(&stack, hands.options().clock).await;
    accounts(&stack, &maker).await;
    mails(&stack, &maker).await;
    payments(&stack, &maker, &hands).await;
    sockets(&stack, &player).await;
    poison(&stack, &maker).await;
    swept(&stack, &maker).await;
    webhooks(&stack, &Maker::new(&stack, hands.options().clock).await, &player).await;
    hands.set(TWO_NIGHTS_LATER);
    let report = stack.run_now("streak-repair").await.expect("the repair runs");
    assert_eq!(report["streaks_broken"], 1);
    stack.settled(DEADLINE).await.expect("settles");
    // These need a ClickHouse.
    let server = ClickHouse::start(None).await.expect("ClickHouse");
    let loading = Options { clickhouse_url: Some(server.url.clone()), ..Options::default() };
    let loading = stack_with(loading).await;
    let operator = Maker::new(&loading, Clock::system()).await.player(Role::Operator).await;
    let told = json!({ "events": [{ "ts": 0, "name": "grants" }] });
    operator.api.post("/api/telemetry/events", &told).send().await.ok();
    loading.settled(DEADLINE).await.expect("settles");
    operator.api.get("/api/olap/health").await.ok();
    let segmented = loading.run_now("player-segments").await.expect("it runs");
    assert_eq!(segmented, json!({ "players": 1, "failed": 0 }));

    let mut unused = stack.engine().policies().unused();
    let mut of_loading = loading.engine().policies().unused();
    for name in [
        "OlapLoadFunction",
        "OlapHealthFunction",
        "PlayerSegmentsFunction",
        "TelemetryLoadFunction",
    ] {
        unused.remove(name);
        unused.extend(of_loading.remove(name).map(|unused| (name.to_owned(), unused)));
    }
    assert!(unused.is_empty(), "granted and never needed: {unused:#?}");
}

/// Every function behind the HTTP API, first answers and replays.
async fn http(player: &Player) {
    let api = &player.api;
    for path in [
        "/health",
        "/api/auth/me",
        "/api/users/stats",
        "/api/dashboard",
        "/api/streak/status",
        "/api/streak/history",
        "/api/games/fairness",
        "/api/metrics/global",
    ] {
        api.get(path).await.ok();
    }
    let mut stream = api.call(Method::GET, "/api/metrics/stream").open().await;
    stream.next().await.expect("no break").expect("an event");
    let told = json!({ "events": [{ "ts": 0, "name": "grants" }] });
    api.post("/api/telemetry/events", &told).send().await.ok();
    let log_in = json!({ "site_id": player.site_id, "password": PASSWORD });
    for _ in ["first", "replayed"] {
        api.post("/api/auth/signup", &signup_body("grants", "grants"))
            .key("signup")
            .send()
            .await
            .ok();
        api.post("/api/auth/login", &log_in).key("login").send().await.ok();
        player.claim().await.ok();
        player.spin(1, "spin").send().await.ok();
        player.buy("neon_frame", 1, "buy").send().await.ok();
        let seed = json!({ "client_seed": "mine" });
        api.post("/api/games/fairness/rotate", &seed).key("rotate").send().await.ok();
    }
}

/// What ends sessions or accounts, each of a player of its own, and what players'
/// roles are not enough for.
async fn accounts(stack: &Stack, maker: &Maker) {
    let player = maker.player(Role::Standard).await;
    for name in ["renamed", "renamed2"] {
        let body = json!({ "nickname": name }).to_string();
        player.api.call(Method::PUT, "/api/auth/profile").body(body).send().await.ok();
    }
    for _ in ["first", "replayed"] {
        player.refresh().key("refresh").send().await.ok();
        player.change_password(PASSWORD, "another-horse-9").key("password").send().await.ok();
    }
    player.api.get("/api/auth/export").await.ok();
    let admin = maker.player(Role::Admin).await;
    let invite = json!({ "code": "grants", "uses": 1, "expires_at": "2026-12-24T00:00:00Z",
                         "reason": "to see what it takes" });
    for _ in ["first", "replayed"] {
        admin.api.post("/api/admin/invite-codes", &invite).key("invite").send().await.ok();
    }
    fraud(stack, &admin).await;
    let mut invited = signup_body("invited", "invited");
    invited["invite_code"] = json!("grants");
    player.api.post("/api/auth/signup", &invited).send().await.ok();
    let mut seeding = Seeding::asked_for(None, "dev").expect("accounts");
    seeding.accounts.truncate(1);
    seeding.sow(&stack.store("seed"), &Clock::system(), &Entropy::system()).await.expect("is sown");
    let account = &seeding.accounts[0];
    let reset = format!("/api/dev/reset/{}", account.site_id);
    for _ in ["first", "replayed"] {
        admin.api.call(Method::POST, &reset).key("reset").send().await.ok();
    }
    // What ends the caller's session is answered again to nobody but the function
    // itself, when it does not hear whether it has happened.
    for (function, method, path) in [
        ("AuthLogoutFunction", Method::POST, "/api/auth/logout"),
        ("AuthLogoutAllFunction", Method::POST, "/api/auth/logout-all"),
        ("AccountEraseFunction", Method::DELETE, "/api/auth/me"),
    ] {
        let leaver = maker.player(Role::Standard).await;
        Unheard::over(stack, function);
        leaver.api.call(method, path).send().await.ok();
        stack.engine().set_fault(None);
        leaver.is_signed_out().await;
    }
}

/// Purchases with money and out of a limited stock, from beginning to end, some of them
/// given up.
async fn payments(stack: &Stack, maker: &Maker, hands: &Hands) {
    let operator = maker.player(Role::Operator).await;
    let mut package = shop::package("grants", 9, 2, 9);
    package["starts_at"] = json!("2026-11-01T00:00:00Z");
    package["ends_at"] = json!("2027-11-01T00:00:00Z");
    let promo = json!({ "code": "GRANTS", "price": package["price"], "uses": 9,
                        "ends_at": package["ends_at"], "reason": "grants" });
    for _ in ["first", "replayed"] {
        shop::offer(&operator, &package).await;
        let path = "/api/admin/limited-packages/grants/promo-codes";
        operator.api.post(path, &promo).key("promo").send().await.ok();
    }
    let player = maker.player(Role::Standard).await;
    player.api.get("/api/shop/limited").await.ok();
    for token in ["tok_ok", "tok_declined", "tok_pending_ok"] {
        for _ in ["first", "replayed"] {
            player.pay("gold_pack_1000", 1, token, token).send().await.ok();
            let body = json!({ "code": "grants", "quantity": 1, "promo_code": "GRANTS",
                               "payment_token": token });
            let buy = player.api.post("/api/shop/limited/buy", &body);
            buy.key(&format!("limited-{token}")).send().await.ok();
        }
    }
    // What has happened unheard is looked up in the journal: by whoever settles, hears a
    // notice, or cleans up.
    let open = player.pay_limited("grants", 1, "tok_pending_declined", "open").send().await.ok();
    let receipt = open["receipt"].as_str().unwrap_or_default().to_owned();
    stack.engine().set_fault(Some(Arc::new(Deaf)));
    stack.provider().advance(DEADLINE).await;
    Unheard::over(stack, "PaymentSettleFunction");
    player.settle(&receipt).send().await;
    stack.engine().set_fault(None);
    player.purchase(&receipt).await;
    player.api.get("/api/shop/transactions").await.ok();
    player.pay("gold_pack_1000", 1, "tok_pending_ok", "told").send().await.ok();
    Unheard::over(stack, "PaymentWebhookFunction");
    stack.provider().advance(DEADLINE).await;
    stack.engine().set_fault(None);
    let held = player.pay_limited("grants", 1, "tok_pending_ok", "held").send().await.ok();
    player.settle(held["receipt"].as_str().unwrap_or_default()).send().await.ok();
    hands.set("2026-12-01T12:20:00Z");
    Unheard::over(stack, "PendingCleanupFunction");
    stack.run_now("pending-cleanup").await.expect("it runs");
    stack.engine().set_fault(None);
    hands.set(NOON);
}

/// What operators do about fraud.
async fn fraud(stack: &Stack, admin: &Player) {
    let till = Till::new(stack, "test", Clock::system());
    till.assess(&Purchase::of(admin, "grants")).await.expect("is decided");
    let rules = json!({
        "document": { "format": 1, "thresholds": {}, "rules": [] },
        "expected_version": 0, "reason": "to see what it takes",
    });
    for _ in ["first", "replayed"] {
        let call = admin.api.call(Method::PUT, "/api/admin/fraud/rules").key("rules");
        call.body(rules.to_string()).send().await.ok();
    }
    let recent = json!({ "recent": 1 });
    admin.api.post("/api/admin/fraud/rules/test", &recent).send().await.ok();
    admin.api.get("/api/admin/fraud/audit").await.ok();
}

/// An address from beginning to end, and one that SES refuses.
async fn mails(stack: &Stack, maker: &Maker) {
    let player = maker.player(Role::Standard).await;
    Mailbox::of(stack).confirm(&player, "grants@mail.example").await;
    for _ in ["first", "replayed"] {
        player.give_email("other@mail.example", PASSWORD).key("email").send().await.ok();
    }
    player.remove_email().send().await.ok();
    // Past the API, which lets no such address in.
    let id = player.id.parse().expect("an id");
    let now = NOON.parse().expect("an instant");
    let ctx = Ctx { now, seed: [7; 32], trace_id: "test".to_owned() };
    let store = stack.store("test");
    let once = once_by_nature(format!("refused:{id}"));
    let given = store.execute(Subject::system(id), once, |state| {
        let address = EmailAddress::new("nobody".to_owned());
        let plan = change_email::request(state, address, state.password_seq, &ctx)?;
        Ok(Decision { plan, answer: None })
    });
    given.await.expect("an entry");
    stack.settled(DEADLINE).await.expect("settles");
}

/// Transactions take effect and nobody hears of it, until somebody looks.
#[derive(Debug)]
struct Unheard {
    /// Whose.
    caller: &'static str,
    lost: AtomicBool,
    over: AtomicBool,
}

impl Unheard {
    fn over(stack: &Stack, caller: &'static str) {
        let (lost, over) = (AtomicBool::new(false), AtomicBool::new(false));
        stack.engine().set_fault(Some(Arc::new(Self { caller, lost, over })));
    }
}

impl Fault for Unheard {
    fn after(&self, call: &Call<'_>, _: u16) -> Verdict {
        if call.caller != self.caller {
            return Verdict::Pass;
        }
        let lost = self.lost.load(Ordering::SeqCst);
        match call.operation {
            "BatchGetItem" if lost => self.over.store(true, Ordering::SeqCst),
            "TransactWriteItems" if !self.over.load(Ordering::SeqCst) => {
                self.lost.store(true, Ordering::SeqCst);
                return Verdict::InternalError;
            }
            _ => {}
        }
        Verdict::Pass
    }
}

/// Notices of payments find no table.
#[derive(Debug)]
struct Deaf;

impl Fault for Deaf {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.caller == "PaymentWebhookFunction" { Verdict::Disconnect } else { Verdict::Pass }
    }
}

/// A socket's whole life, and sockets that are gone without a word.
async fn sockets(stack: &Stack, player: &Player) {
    let id: PlayerId = player.id.parse().expect("an id");
    let store = stack.store("test");
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    socket.send(&json!({ "action": "sync", "last_seq": 0 })).await;
    socket.until("stats_update").await;
    socket.close().await;
    let connections = || async { store.connections(id).await.expect("connections").len() };
    eventually("the socket is forgotten", || async { connections().await == 0 }).await;
    stack.settled(DEADLINE).await.expect("settles");

    let gone = "Z29uZQ==";
    let now = NOON.parse().expect("an instant");
    store.connect(Subject::system(id), gone, now).await.expect("a connection");
    let ping = json!({
        "requestContext": {
            "connectionId": gone, "routeKey": "$default", "connectedAt": 0,
            "requestTimeEpoch": 0, "identity": {},
        },
        "body": json!({ "action": "ping" }).to_string(),
        "isBase64Encoded": false,
    });
    store.greeted(id, gone, 0).await.expect("is greeted");
    stack.invoke("SocketMessageFunction", ping.clone()).await.expect("an answer");
    assert_eq!(connections().await, 0, "a ping finds out who is gone");
    let stranger = stack.invoke("SocketMessageFunction", ping).await.expect("an answer");
    assert_eq!(stranger["statusCode"], 410);
    store.connect(Subject::system(id), gone, now).await.expect("a connection");
    store.greeted(id, gone, 0).await.expect("is greeted");
    player.spin(1, "unheard").send().await.ok();
    eventually("a frame finds out who is gone", || async { connections().await == 0 }).await;

    store.connect(Subject::system(id), gone, now).await.expect("a connection");
    let unreadable = json!({ "Records": [{
        "messageId": "unreadable", "receiptHandle": "unreadable", "body": "not a push message",
        "attributes": { "ApproximateReceiveCount": "5", "MessageGroupId": player.id },
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:push.fifo",
        "awsRegion": "us-east-1",
    }]});
    let answer = stack.invoke("PushFunction", unreadable).await.expect("an answer");
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(connections().await, 0, "whoever may have missed something is given up");
}

/// A webhook that fails, and is replayed.
async fn webhooks(stack: &Stack, maker: &Maker, player: &Player) {
    let operator = maker.player(Role::Operator).await;
    let receiver =
        Receiver::start(&[Reaction::Status(500), Reaction::Status(410), Reaction::Status(200)])
            .await;
    let endpoint = json!({ "url": receiver.url, "event_types": ["game.*"], "reason": "grants" });
    let path = "/api/admin/webhooks/endpoints";
    let mut id = String::new();
    for _ in ["first", "replayed"] {
        let answer = operator.api.post(path, &endpoint).key("webhook").send().await.ok();
        answer["endpoint"]["id"].as_str().unwrap_or_default().clone_into(&mut id);
    }
    player.spin(1, "told").send().await.ok();
    let deliveries = format!("/api/admin/webhooks/deliveries?endpoint={id}&status=failed");
    let failed = || async { operator.api.get(&deliveries).await.ok()["items"][0].clone() };
    eventually("it fails", || async { !failed().await.is_null() }).await;
    let replay =
        format!("/api/admin/webhooks/replay/{}", failed().await["id"].as_str().unwrap_or_default());
    operator.api.post(&replay, &json!({ "reason": "grants" })).key("replay").send().await.ok();
    stack.settled(DEADLINE).await.expect("settles");
}

/// An entry that cannot be read, mended before it is given up or after.
async fn poison(stack: &Stack, maker: &Maker) {
    const LETTERS: &str = "/api/admin/dead-letters";
    let table = Table::of(stack);
    let (operator, player) =
        (maker.player(Role::Operator).await, maker.player(Role::Standard).await);
    let entries = table.skip(player.id.parse().expect("an id"), 2).await;
    table.put(vec![poisoned(&entries[0]), entries[0].clone(), poisoned(&entries[1])]).await;
    stack.settled(DEADLINE).await.expect("settles");
    let page = operator.api.get(LETTERS).await.ok();
    table.put(vec![entries[1].clone()]).await;
    let path = format!("{LETTERS}/{}/replay", page["items"][0]["id"].as_str().unwrap_or_default());
    for _ in 0..2 {
        let replay = operator.api.post(&path, &json!({ "reason": "mended" }));
        replay.key("mended").send().await.ok();
    }
}

/// Entries that the outbox never hears of, one of which cannot be read.
async fn swept(stack: &Stack, maker: &Maker) {
    let player = maker.player(Role::Standard).await.id.parse().expect("an id");
    let table = Table::of(stack);
    let entries = table.skip(player, 2).await;
    table.put_unheard(vec![entries[0].clone(), poisoned(&entries[1])]).await;
    let order = json!({ "everybody": true, "after_seconds": 0 });
    stack.invoke("OutboxSweepFunction", order).await.expect("the sweep runs");
}

/// What a policy lacks is refused here as there, and the answer says so.
#[tokio::test]
async fn a_function_that_lacks_a_permission_fails() {
    let stack = stack_with(Options::default()).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let id: PlayerId = player.id.parse().expect("an id");
    let before = stack.engine().meter().snapshot();
    let allowed = stack.store("DashboardReadFunction").player(store::Subject::system(id)).await;
    assert!(allowed.is_ok(), "{allowed:?}");
    let refused = stack
        .store("DashboardReadFunction")
        .open(store::Subject::system(id))
        .await
        .expect_err("is refused");
    let causes: Vec<_> =
        std::iter::successors(Some(&refused as &(dyn std::error::Error + 'static)), |error| {
            error.source()
        })
        .map(|error| format!("{error:?}"))
        .collect();
    assert!(causes.concat().contains("not authorized to perform: dynamodb:Query"), "{causes:#?}");
    let used = stack.engine().meter().since(&before).of("DashboardReadFunction");
    let once = |action: &str| (action.to_owned(), 1);
    let calls = BTreeMap::from([once("dynamodb:GetItem"), once("dynamodb:Query")]);
    assert_eq!(used.calls, calls, "what is refused is not tried again");
}
