//! What tests of the shop have in common.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use devstack::{Options, Stack};
use domain::Role;
use runtime::Clock;
use serde_json::{Value, json};

use crate::{Answer, Maker, Player, eventually, stack_with};

/// A stack whose provider waits for nothing.
///
/// # Panics
/// When it does not start.
pub async fn shop() -> Stack {
    stack_with(prompt_payments(Options::default())).await
}

/// The same options with a provider that waits for nothing.
#[must_use]
pub fn prompt_payments(options: Options) -> Options {
    Options { payment_delays: provider::Delays::none(), ..options }
}

/// The receipt of a purchase that was answered.
#[must_use]
pub fn receipt(answer: &Answer) -> String {
    answer.ok()["receipt"].as_str().expect("a receipt").to_owned()
}

/// Waits until the purchase stands so.
///
/// # Panics
/// When it never does.
pub async fn stands(player: &Player, receipt: &str, status: &str) {
    let what = format!("the purchase is {status}");
    eventually(&what, || async { player.purchase(receipt).await["status"] == status }).await;
}

/// Somebody who may offer packages; no rule of fraud is in their players' way.
///
/// # Panics
/// When the rules are refused.
pub async fn operator(stack: &Stack) -> Player {
    let operator = Maker::new(stack, Clock::system()).await.player(Role::Operator).await;
    let nothing = json!({
        "document": { "format": 1, "thresholds": {}, "rules": [] },
        "expected_version": 0, "reason": "a test buys a lot",
    });
    let put = operator.api.call(reqwest::Method::PUT, "/api/admin/fraud/rules");
    put.key("no-rules").body(nothing.to_string()).send().await.ok();
    operator
}

/// A package on sale for a day: 2,000 gold for 9,900 won.
#[must_use]
pub fn package(code: &str, stock: u32, shards: u16, cap: u32) -> Value {
    let now = Clock::system().now();
    json!({
        "code": code,
        "name": { "ko": "새해 상자", "en": "New year box" },
        "description": { "ko": "새해에만 팝니다.", "en": "Sold at new year only." },
        "price": { "money": { "amount_minor": 9_900, "currency": "KRW" } },
        "grants": { "gold": 2_000 },
        "stock": stock, "shards": shards, "per_user_cap": cap,
        "starts_at": now - Duration::from_secs(3600),
        "ends_at": now + Duration::from_secs(24 * 3600),
        "reason": "a test",
    })
}

/// Offers a package.
///
/// # Panics
/// When it is refused.
pub async fn offer(operator: &Player, package: &Value) {
    let key = format!("offer-{}", package["code"].as_str().unwrap_or_default());
    let offered = operator.api.post("/api/admin/limited-packages", package).key(&key).send().await;
    assert_eq!(offered.status, 201, "{}", offered.text);
}

/// What is free, held and sold of a package, over all shards of its stock, as it lies in
/// the table.
///
/// # Panics
/// When the table cannot be read.
pub async fn stock(stack: &Stack, code: &str) -> [i64; 3] {
    let client = Client::new(&stack.engine().sdk_config_for("test"));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let scan = client
        .scan()
        .table_name(&stack.spec().tables[0].name)
        .consistent_read(true)
        .filter_expression("entity = :stock AND package = :code")
        .expression_attribute_values(":stock", text("stock"))
        .expression_attribute_values(":code", text(code))
        .into_paginator()
        .items()
        .send();
    let shards: Vec<_> = scan.collect::<Result<_, _>>().await.expect("the table answers");
    ["free", "held", "sold"].map(|heap| {
        let units = |shard: &HashMap<String, AttributeValue>| -> i64 {
            shard[heap].as_n().expect("a number").parse().expect("whole")
        };
        shards.iter().map(units).sum()
    })
}
