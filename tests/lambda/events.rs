//! Every function, every event that there is of it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use devstack::Options;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tests::{ClickHouse, Events};

use crate::support::{Lambda, invoke};

/// What an event is answered with.
enum Expected {
    /// An answer of payload format 2.0 with this status.
    Http(u16),
    /// Exactly this.
    Exactly(Value),
    /// Exactly these failed, by their place in the batch.
    Failed(&'static [usize]),
    /// A summary with these members.
    Summary(&'static [&'static str]),
}

fn expected(function: &str, case: &str) -> Result<Expected> {
    use Expected::{Exactly, Failed, Http, Summary};
    Ok(match (function, case) {
        ("health", "default-route") => Http(404),
        ("health", "default-route-method") => Http(405),
        ("streak-read", "query-string") | ("account-email", "confirm") => Http(422),
        ("auth-signup" | "invite-issue" | "limited-offer" | "webhook-admin", "typical") => {
            Http(201)
        }
        ("telemetry-collect", "typical") => Http(202),
        // Nobody offers it, nobody bought it, nobody signed it.
        ("limited-buy" | "payment-settle", "typical") => Http(404),
        ("payment-webhook", "typical") => Http(401),
        (
            "account-email" | "account-erase" | "account-export" | "account-read"
            | "account-rename" | "auth-login" | "auth-logout" | "auth-logout-all" | "auth-password"
            | "auth-refresh" | "dashboard-read" | "dev-reset" | "fairness" | "fraud-audit"
            | "fraud-rules" | "dead-letters" | "health" | "metrics-read" | "olap-health"
            | "realtime-ticket" | "shop-buy" | "shop-catalog" | "shop-read" | "slot-spin"
            | "streak-claim" | "streak-read",
            "typical" | "cookies" | "base64-body" | "rotate" | "remove",
        ) => Http(200),
        ("socket-connect", "typical") => Exactly(json!({
            "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": "bearer" },
        })),
        ("socket-connect", "nobody") => Exactly(json!({ "statusCode": 401 })),
        ("socket-message", "stranger") => Exactly(json!({ "statusCode": 410 })),
        ("socket-connect" | "socket-message" | "socket-disconnect", _) => {
            Exactly(json!({ "statusCode": 200 }))
        }
        // What the second and the fourth are about fails with the second.
        ("push", "poison") => Failed(&[1, 3]),
        ("webhook-deliver" | "outbox-retry", "poison") => Failed(&[1]),
        (
            "outbox" | "outbox-retry" | "projections" | "olap-load" | "push" | "mail-send"
            | "telemetry-load" | "webhook-fanout" | "webhook-deliver",
            _,
        ) => Failed(&[]),
        ("outbox-sweep", "typical") => {
            Summary(&["failed", "lag_seconds", "pending", "players", "swept"])
        }
        ("player-segments", "typical") => Summary(&["failed", "players"]),
        ("pending-cleanup", "typical") => Summary(&["due", "failed", "finished", "waiting"]),
        ("streak-repair", "typical") => {
            Summary(&["failed", "players", "protections_consumed", "streaks_broken"])
        }
        _ => bail!("say in tests/lambda/events.rs what {function} answers to {case}"),
    })
}

impl Expected {
    fn check(&self, event: &Value, answer: &str) -> Result<()> {
        let value: Value = serde_json::from_str(answer)?;
        match self {
            Self::Http(status) => is_payload_format_2(*status, &value),
            Self::Exactly(expected) => {
                ensure!(value == *expected, "{answer}");
                Ok(())
            }
            Self::Failed(places) => {
                ensure!(answer == failures(event, places), "{answer}");
                Ok(())
            }
            Self::Summary(members) => {
                let there: BTreeSet<_> = value.as_object().context("a summary")?.keys().collect();
                ensure!(there.iter().eq(*members), "{answer}");
                Ok(())
            }
        }
    }
}

/// A partial-batch answer, byte for byte.
pub fn failures(event: &Value, places: &[usize]) -> String {
    let identifier = |place: &usize| {
        let record = &event["Records"][place];
        let identifier = ["/dynamodb/SequenceNumber", "/kinesis/sequenceNumber", "/messageId"];
        let identifier = identifier.iter().find_map(|pointer| record.pointer(pointer));
        json!({ "itemIdentifier": identifier.expect("every record has an identifier") })
    };
    let items: Vec<_> = places.iter().map(identifier).collect();
    json!({ "batchItemFailures": items }).to_string()
}

fn is_payload_format_2(status: u16, answer: &Value) -> Result<()> {
    let members = answer.as_object().context("an object")?;
    let allowed =
        ["body", "cookies", "headers", "isBase64Encoded", "multiValueHeaders", "statusCode"];
    let unknown: Vec<_> = members.keys().filter(|name| !allowed.contains(&name.as_str())).collect();
    ensure!(unknown.is_empty(), "{unknown:?} in {answer}");
    ensure!(answer["statusCode"] == status, "{answer}");
    ensure!(answer["isBase64Encoded"] == false, "{answer}");
    // API Gateway knows the member in format 1.0 only and must not need it.
    ensure!(answer["multiValueHeaders"] == json!({}), "{answer}");
    ensure!(answer["cookies"] == json!([]), "{answer}");
    let headers = answer["headers"].as_object().context("headers")?;
    for (name, value) in headers {
        ensure!(value.is_string() && *name == name.to_lowercase(), "{name}: {value}");
    }
    let body = answer["body"].as_str().context("the body is a text")?;
    let body: Value = serde_json::from_str(body)?;
    let problem = status >= 400;
    let kind = if problem { "application/problem+json" } else { "application/json" };
    ensure!(headers["content-type"] == kind, "{answer}");
    ensure!(!problem || body["status"] == status, "{answer}");
    ensure!(headers.contains_key("x-request-id"), "{answer}");
    Ok(())
}

/// All functions of the template, with the server that one of them loads into.
async fn whole() -> Result<(ClickHouse, Lambda)> {
    let server = ClickHouse::start(None).await?;
    let options = Options { clickhouse_url: Some(server.url.clone()), ..Options::default() };
    Ok((server, Lambda::with(options).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_of_the_template_answers_its_events() -> Result<()> {
    let (_server, lambda) = whole().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let functions = lambda.stack.spec().buffered_functions();
    stream::iter(functions.map(anyhow::Ok))
        .try_for_each_concurrent(4, |function| async {
            let name = &*function.crate_name;
            let mut instance = lambda.function(name).await?;
            for case in Events::cases(name)? {
                let event = events.event(name, &case).await?;
                let answer = invoke(&mut instance, &event).await;
                let checked = answer
                    .map_err(Into::into)
                    .and_then(|answer| expected(name, &case)?.check(&event, &answer));
                checked.with_context(|| format!("{name}, {case}"))?;
            }
            Ok(())
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_a_function_error_and_the_process_lives_on() -> Result<()> {
    let (_server, lambda) = whole().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let functions: Vec<_> = lambda.stack.spec().buffered_functions().collect();
    let checks = stream::iter(functions).map(|function| {
        let (lambda, events) = (&lambda, &events);
        async move {
            let name = &*function.crate_name;
            let mut instance = lambda.function(name).await?;
            let before = instance.pid();
            let answer = invoke(&mut instance, &json!(42)).await;
            // A schedule's event says nothing that its function would read.
            if !lambda.stack.spec().schedules.iter().any(|s| s.function == function.logical_id) {
                let Err(failure) = answer else { bail!("{name} took 42 for an event") };
                ensure!(failure.leaves_it_alive(), "{name}: {failure}");
                let payload = failure.payload();
                let members: Vec<_> = payload.as_object().context("an object")?.keys().collect();
                ensure!(members == ["errorMessage", "errorType"], "{name}: {payload}");
                let texts = payload.as_object().into_iter().flat_map(|payload| payload.values());
                ensure!(texts.clone().all(|text| text.as_str().is_some_and(|t| !t.is_empty())));
            }
            let event = events.event(name, "typical").await?;
            let answer = invoke(&mut instance, &event).await?;
            expected(name, "typical")?.check(&event, &answer).context(name.to_owned())?;
            ensure!(instance.pid() == before && instance.is_alive(), "{name} is another process");
            Ok(())
        }
    });
    checks.buffer_unordered(4).try_collect::<()>().await
}

#[tokio::test]
async fn a_round_and_its_base64_twin_are_the_same_round() -> Result<()> {
    let lambda = Lambda::start().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut spin = lambda.function("slot-spin").await?;
    let mut event = events.event("slot-spin", "base64-body").await?;
    let first: Value = serde_json::from_str(&invoke(&mut spin, &event).await?)?;
    event["body"] = json!(r#"{"bet":10}"#);
    event["isBase64Encoded"] = json!(false);
    let again: Value = serde_json::from_str(&invoke(&mut spin, &event).await?)?;
    assert_eq!(again["headers"]["idempotency-replayed"], "true", "{again}");
    assert_eq!(again["body"], first["body"]);
    Ok(())
}
