//! Batches of which a part fails: the answer names what comes back.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devstack::{
    Options,
    engine::{Service, queue_url},
};
use serde_json::json;
use tests::{ClickHouse, Events};

use crate::{
    events::failures,
    support::{Lambda, invoke},
};

/// What nobody can read.
fn junk() -> String {
    BASE64_STANDARD.encode(b"\x00\xff not an event")
}

#[tokio::test]
async fn what_is_no_entry_is_set_aside_and_what_is_around_it_published() -> Result<()> {
    let lambda = Lambda::start().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut outbox = lambda.function("outbox").await?;
    let event = events.event("outbox", "mixed").await?;
    assert_eq!(invoke(&mut outbox, &event).await?, failures(&event, &[]));

    let queues = &lambda.stack.spec().queues;
    let aside = queues.iter().find(|queue| queue.logical_id == "OutboxFailureQueue");
    let sqs = aws_sdk_sqs::Client::new(&lambda.stack.engine().sdk_config());
    let kept = sqs
        .receive_message()
        .queue_url(queue_url(&aside.context("the failure queue")?.name))
        .max_number_of_messages(10)
        .send()
        .await?;
    let mut kinds = BTreeMap::<String, usize>::new();
    for message in kept.messages() {
        let body: serde_json::Value = serde_json::from_str(message.body().unwrap_or_default())?;
        let kind = body["record"]["eventName"].as_str().context("the record, whole")?;
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    let one = |kind: &str| (kind.to_owned(), 1);
    assert_eq!(kinds, BTreeMap::from([one("INSERT"), one("MODIFY"), one("REMOVE")]));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_set_aside_brings_the_whole_batch_back() -> Result<()> {
    let lambda = Lambda::start().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut outbox = lambda.function("outbox").await?;
    let event = events.event("outbox", "mixed").await?;
    lambda.aws.take_down(Service::Sqs);
    // From the first record: nothing before the poison was published either.
    assert_eq!(invoke(&mut outbox, &event).await?, failures(&event, &[0]));
    lambda.aws.bring_back(Service::Sqs);
    assert_eq!(invoke(&mut outbox, &event).await?, failures(&event, &[]));
    Ok(())
}

#[tokio::test]
async fn an_entry_comes_back_while_the_stream_does_not_take_it() -> Result<()> {
    let lambda = Lambda::start().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut outbox = lambda.function("outbox").await?;
    let mut event = events.event("outbox", "mixed").await?;
    // Poison first: it is set aside, and what comes back begins behind it.
    event["Records"].as_array_mut().context("records")?.rotate_left(1);
    lambda.aws.take_down(Service::Kinesis);
    assert_eq!(invoke(&mut outbox, &event).await?, failures(&event, &[3]));
    lambda.aws.bring_back(Service::Kinesis);
    assert_eq!(invoke(&mut outbox, &event).await?, failures(&event, &[]));
    Ok(())
}

#[tokio::test]
async fn a_view_comes_back_from_the_first_event_of_its_player() -> Result<()> {
    let lambda = Lambda::start().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut projections = lambda.function("projections").await?;
    let mut event = events.event("projections", "poison").await?;
    event["Records"][0]["kinesis"]["data"] = json!(junk());
    for service in [Service::Sqs, Service::DynamoDb] {
        lambda.aws.take_down(service);
        assert_eq!(invoke(&mut projections, &event).await?, failures(&event, &[2]), "{service:?}");
        lambda.aws.bring_back(service);
    }
    assert_eq!(invoke(&mut projections, &event).await?, failures(&event, &[]));
    let opened =
        lambda.stack.store("test").open(store::Subject::system(events.other.id.parse()?)).await?;
    assert_eq!((opened.stored_seq, opened.stats.total().plays), (2, 1));
    Ok(())
}

#[tokio::test]
async fn rows_come_back_from_the_beginning_of_their_batch() -> Result<()> {
    let mut server = ClickHouse::start(None).await?;
    let options = Options { clickhouse_url: Some(server.url.clone()), ..Options::default() };
    let lambda = Lambda::with(options).await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut olap = lambda.function("olap-load").await?;
    let event = events.event("olap-load", "poison").await?;
    server.stop().await?;
    assert_eq!(invoke(&mut olap, &event).await?, failures(&event, &[0]));
    server.resume().await?;
    assert_eq!(invoke(&mut olap, &event).await?, failures(&event, &[]));
    assert_eq!(server.sql("SELECT count() FROM events_log").await?, "2");
    assert_eq!(server.sql("SELECT count() FROM events_rejected").await?, "1");
    Ok(())
}
