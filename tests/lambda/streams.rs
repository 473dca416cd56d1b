//! The function that streams: its answer as Lambda gets it, piece by piece.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use devstack::lambda::{Failure, Instance, Opened};
use serde_json::{Value, json};
use tests::Events;

use crate::support::Lambda;

async fn open(instance: &mut Instance, event: &Value) -> Result<Opened, Failure> {
    instance.open(Bytes::from(event.to_string())).await
}

/// Reads an event to its end.
async fn event(opened: &mut Opened) -> Result<String> {
    let mut read = String::new();
    while !read.ends_with("\n\n") {
        let piece = opened.next().await.context("the answer ended")??;
        read.push_str(std::str::from_utf8(&piece)?);
    }
    Ok(read)
}

#[tokio::test]
async fn a_head_and_then_an_event_after_each_interval() -> Result<()> {
    let lambda = Lambda::start().await?;
    let typical = Events::prepare(&lambda.stack).await?.event("metrics-stream", "typical").await?;
    let mut instance = lambda.function("metrics-stream").await?;
    let Err(failure) = open(&mut instance, &json!(42)).await else { bail!("42 is no event") };
    ensure!(failure.leaves_it_alive(), "{failure}");
    let mut opened = open(&mut instance, &typical).await?;
    ensure!(opened.head.status_code == 200, "{:?}", opened.head);
    ensure!(opened.head.headers["content-type"] == "text/event-stream", "{:?}", opened.head);
    for _ in 0..2 {
        let event = event(&mut opened).await?;
        ensure!(event.starts_with("retry: 2000\nevent: metrics\ndata: {"), "{event}");
    }
    Ok(())
}

#[tokio::test]
async fn a_problem_is_streamed_whole() -> Result<()> {
    let lambda = Lambda::start().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut wrong = events.event("metrics-stream", "typical").await?;
    for name in ["queryStringParameters", "multiValueQueryStringParameters"] {
        wrong[name] = Value::Null;
    }
    wrong["path"] = json!("/api/metrics/stream/more");
    let mut instance = lambda.function("metrics-stream").await?;
    for _ in ["first", "the same process again"] {
        let mut opened = open(&mut instance, &wrong).await?;
        ensure!(opened.head.status_code == 404, "{:?}", opened.head);
        let mut read = Vec::new();
        while let Some(piece) = opened.next().await {
            read.extend(piece?);
        }
        ensure!(serde_json::from_slice::<Value>(&read)?["code"] == "not_found");
    }
    Ok(())
}

#[tokio::test]
async fn the_end_of_the_process_breaks_the_answer_off() -> Result<()> {
    let lambda = Lambda::start().await?;
    let typical = Events::prepare(&lambda.stack).await?.event("metrics-stream", "typical").await?;
    let mut instance = lambda.function("metrics-stream").await?;
    let mut opened = open(&mut instance, &typical).await?;
    event(&mut opened).await?;
    instance.end().await;
    match opened.next().await {
        Some(Err(_)) => Ok(()),
        other => bail!("{other:?} is no break"),
    }
}
