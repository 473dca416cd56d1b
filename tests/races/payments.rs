//! The shop under pressure: many buyers of few things, many notices of one payment.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use devstack::{
    Options, Stack,
    engine::{Call, Fault, Verdict},
};
use domain::Role;
use futures::future::join_all;
use runtime::{Clock, payments::WebhookKeys};
use serde_json::json;
use tests::{
    Answer, Api, Contention, Hands, Maker, Player, books, eventually,
    shop::{offer, operator, package, prompt_payments, receipt, shop, stands, stock},
    stack_with,
};

use crate::support::{at_once, different, insist, is_clear_503, of_kind, until_answered};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_with_one_key_are_one_purchase_and_one_payment() {
    let stack = shop().await;
    operator(&stack).await;
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    let answers = at_once(100, |_| player.pay("gold_pack_1000", 1, "tok_ok", "one")).await;
    let (done, later): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    later.iter().for_each(is_clear_503);
    assert_eq!(different(&done), 1, "byte for byte the same");
    stands(&player, &receipt(&done[0]), "success").await;
    assert_eq!(player.gold().await, 2000);
    let book = stack.provider().book();
    assert_eq!(book.len(), 1);
    // Begun, and succeeded.
    assert_eq!(of_kind(&books(&stack, &player).await, "purchase_advanced"), 2);
}

/// Of every ten transactions one conflicts, one happens without an answer, one does not
/// happen.
#[derive(Debug, Default)]
struct Weather(AtomicU32);

impl Weather {
    fn over(stack: &Stack) {
        stack.engine().set_fault(Some(Arc::new(Self::default())));
    }
}

impl Fault for Weather {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if call.operation != "TransactWriteItems" {
            return Verdict::Pass;
        }
        match self.0.fetch_add(1, Ordering::Relaxed) % 10 {
            3 => Verdict::TransactionConflict,
            6 => Verdict::Disconnect,
            _ => Verdict::Pass,
        }
    }

    fn after(&self, call: &Call<'_>, _status: u16) -> Verdict {
        let lost =
            call.operation == "TransactWriteItems" && self.0.load(Ordering::Relaxed) % 10 == 9;
        if lost { Verdict::Disconnect } else { Verdict::Pass }
    }
}

/// Bad weather, and transactions that are in each other's way.
#[derive(Debug)]
struct Rush {
    weather: Weather,
    contention: Contention,
}

impl Fault for Rush {
    fn before(&self, call: &Call<'_>) -> Verdict {
        match self.contention.before(call) {
            Verdict::Pass => self.weather.before(call),
            conflict => conflict,
        }
    }

    fn after(&self, call: &Call<'_>, status: u16) -> Verdict {
        self.weather.after(call, status)
    }
}

/// More buyers than units, each of whom comes back until there is an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_stock_is_sold_to_the_last_unit_and_never_beyond() {
    const STOCK: u32 = 40;
    const BUYERS: usize = 160;
    let stack = shop().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = operator(&stack).await;
    offer(&operator, &package("box", STOCK, 4, 1)).await;
    let buyers = join_all((0..BUYERS).map(|_| maker.player(Role::Standard))).await;
    stack.engine().set_fault(Some(Arc::new(Rush {
        weather: Weather::default(),
        contention: Contention::of(std::time::Duration::from_millis(10)),
    })));
    let answers = join_all(
        buyers
            .iter()
            .map(|player| until_answered(move || player.pay_limited("box", 1, "tok_ok", "one"))),
    )
    .await;
    stack.engine().set_fault(None);
    let (sold, refused): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    for answer in &refused {
        answer.is_problem(409, "sold_out");
    }
    assert_eq!(sold.len(), STOCK as usize);
    let all = [0, 0, i64::from(STOCK)];
    eventually("all that is held is paid", || async { stock(&stack, "box").await == all }).await;
    assert_eq!(stack.provider().book().len(), sold.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_purchases_of_one_player_stay_below_their_cap() {
    let stack = shop().await;
    let maker = Maker::new(&stack, Clock::system()).await;
    let operator = operator(&stack).await;
    let mut package = package("box", 1_000, 8, 7);
    package["price"] = json!({ "gold": 10 });
    package["grants"] = json!({ "streak_protection": 1 });
    offer(&operator, &package).await;
    let player = maker.player(Role::Standard).await;
    Weather::over(&stack);
    let body = json!({ "code": "box", "quantity": 1 });
    let buy = |number: usize| {
        let (api, body) = (&player.api, &body);
        until_answered(move || api.post("/api/shop/limited/buy", body).key(&format!("k{number}")))
    };
    let mut bought = 0;
    // The pace of sixty in three seconds is another matter.
    for round in 0..2 {
        let answers = join_all((round * 50..(round + 1) * 50).map(buy)).await;
        bought += answers.iter().filter(|answer| answer.status == 200).count();
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            answer.is_problem(422, "purchase_cap_reached");
        }
    }
    stack.engine().set_fault(None);
    assert_eq!((bought, player.gold().await), (7, 1000 - 7 * 10));
    assert_eq!(stock(&stack, "box").await, [993, 0, 7]);
}

fn keys(active: &str, kids: &[&str]) -> (String, WebhookKeys) {
    let listed: Vec<_> = kids
        .iter()
        .map(|kid| {
            // Of 32 bytes, and each another.
            let secret = format!("{kid}-{}", "secret".repeat(5));
            json!({ "kid": kid, "secret": BASE64_STANDARD.encode(&secret[..32]) })
        })
        .collect();
    let json = json!({ "active": active, "keys": listed }).to_string();
    let keys = WebhookKeys::from_json(&json).expect("keys");
    (json, keys)
}

/// A thousand notices, while the key they are signed with changes twice.
#[tokio::test(flavor = "multi_thread")]
async fn webhook_keys_rotate_under_traffic_and_no_notice_is_lost() {
    const SECRET: &str = "casino-club/dev/payment-webhook-keys";
    let hands = Hands::at("2026-12-01T12:00:00Z");
    let driven = Options { payment_pace: provider::Pace::Driven, ..hands.options() };
    let stack = stack_with(prompt_payments(driven)).await;
    let maker = Maker::new(&stack, hands.options().clock).await;
    let players = join_all((0..112).map(|_| maker.player(Role::Standard))).await;
    let rotations =
        [("k001", &["k001", "k002"][..]), ("k002", &["k001", "k002"]), ("k002", &["k002"])];
    let mut receipts = Vec::new();
    for (rotation, (active, kids)) in rotations.into_iter().enumerate() {
        let (json, keys) = keys(active, kids);
        stack.engine().put_secret(SECRET, &json);
        // Functions fetch a secret anew after five minutes; then the provider may use it.
        hands.set(
            ["2026-12-01T12:06:00Z", "2026-12-01T12:06:01Z", "2026-12-01T12:12:00Z"][rotation],
        );
        let begun = players.iter().map(|player| async move {
            let key = format!("r{rotation}");
            let call = || player.pay("gold_pack_1000", 1, "tok_duplicate", &key);
            (player, receipt(&insist(call).await))
        });
        receipts.extend(join_all(begun).await);
        stack.provider().rotate(keys);
        stack.provider().advance(std::time::Duration::from_secs(1)).await;
    }
    for (player, receipt) in &receipts {
        assert_eq!(player.purchase(receipt).await["status"], "success");
    }
    let notices = stack.provider().notices();
    let deliveries: usize = notices.iter().map(|sent| sent.attempts.len()).sum();
    assert!(deliveries >= 1_000, "{deliveries}");
    for player in &players {
        assert_eq!(player.gold().await, 1000 + 3 * 1000);
    }
}
