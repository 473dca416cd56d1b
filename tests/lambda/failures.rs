//! Environments that fail, as Lambda reports it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use devstack::{
    Options, Stack,
    engine::{Call, Fault, Verdict},
    invoke::InvokeError,
    lambda::{Failure, Instance},
};
use reqwest::Method;
use serde_json::json;
use tests::{Events, Player, Streamed, eventually, stack_with};

use crate::support::{Lambda, bootstraps, invoke};

/// A table that never answers.
#[derive(Debug)]
struct Silent;

impl Fault for Silent {
    fn before(&self, call: &Call<'_>) -> Verdict {
        // Those who prepare the test go on.
        if call.caller == "HealthFunction" { Verdict::Timeout } else { Verdict::Pass }
    }
}

/// Kills a process as the kernel does that runs out of memory.
fn kill(pid: u32) -> Result<()> {
    let status = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    ensure!(status.success(), "kill: {status}");
    Ok(())
}

fn is_gone(pid: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_killed_and_reported() -> Result<()> {
    let lambda = Lambda::start().await?;
    let mut health = lambda.spec("health")?.clone();
    health.timeout = Duration::from_secs(1);
    let mut instance = Instance::start(&lambda.launch(&health)?).await?;
    let events = Events::prepare(&lambda.stack).await?;
    lambda.stack.engine().set_fault(Some(Arc::new(Silent)));

    let event = events.event("health", "typical").await?;
    let Err(failure) = invoke(&mut instance, &event).await else { bail!("it answered") };
    let payload = failure.payload();
    assert_eq!(payload["errorType"], "Sandbox.Timedout");
    let message = payload["errorMessage"].as_str().context("a message")?;
    assert!(message.starts_with("RequestId: "), "{message}");
    assert!(message.ends_with(" Error: Task timed out after 1.00 seconds"), "{message}");
    assert!(!instance.is_alive());
    assert_eq!(InvokeError::from(failure), InvokeError::Timeout);
    Ok(())
}

#[tokio::test]
async fn a_process_that_dies_in_a_call_is_an_exit_error() -> Result<()> {
    let lambda = Lambda::start().await?;
    let events = Events::prepare(&lambda.stack).await?;
    let mut instance = lambda.function("health").await?;
    lambda.stack.engine().set_fault(Some(Arc::new(Silent)));
    let event = events.event("health", "typical").await?;
    let (pid, before) =
        (instance.pid().context("it runs")?, lambda.stack.engine().meter().snapshot());
    let asked = || lambda.stack.engine().meter().since(&before).of("HealthFunction");
    let (answer, ()) = tokio::join!(invoke(&mut instance, &event), async {
        eventually("the call reaches the table", async || !asked().calls.is_empty()).await;
        kill(pid).expect("it can be killed");
    });
    let Err(failure) = answer else { bail!("it answered") };
    let payload = failure.payload();
    assert_eq!(payload["errorType"], "Runtime.ExitError");
    let message = payload["errorMessage"].as_str().context("a message")?;
    assert!(message.ends_with("Error: Runtime exited with error: signal: killed"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_function_without_its_settings_does_not_start() -> Result<()> {
    let lambda = Lambda::start().await?;
    let mut health = lambda.spec("health")?.clone();
    health.env.remove("TABLE_NAME");
    let failure = Instance::start(&lambda.launch(&health)?).await.err().context("it started")?;
    ensure!(matches!(failure, Failure::Exit { .. } | Failure::Init { .. }), "{failure}");
    let payload = failure.payload();
    let text = |name: &str| payload[name].as_str().is_some_and(|text| !text.is_empty());
    ensure!(text("errorType") && text("errorMessage"), "{payload}");
    Ok(())
}

async fn processes() -> Stack {
    stack_with(Options { bootstraps: Some(bootstraps()), ..Options::default() }).await
}

/// Processes of this stack's functions: the ones that know its AWS.
fn of_stack(stack: &Stack) -> Vec<u32> {
    let Some(aws) = stack.endpoint() else { return Vec::new() };
    let address = format!("AWS_ENDPOINT_URL={}", aws.url);
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = |name: std::ffi::OsString| name.to_str()?.parse::<u32>().ok();
    let pids = processes.filter_map(|process| pid(process.file_name()));
    let is_ours = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == address.as_bytes())
    };
    pids.filter(is_ours).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_died_between_two_calls_is_replaced() -> Result<()> {
    let stack = processes().await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;
    player.spin(1, "before").send().await.ok();
    for pid in of_stack(&stack) {
        kill(pid)?;
    }
    player.spin(1, "after").send().await.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_its_stack() -> Result<()> {
    let stack = processes().await;
    let player = Player::sign_up(&tests::Api::new(&stack.base_url)).await;
    player.spin(1, "one").send().await.ok();
    let mut stream = watch(&stack).await;
    stream.next().await?.context("an event")?;
    let pids = of_stack(&stack);
    assert!(pids.len() >= 3, "{pids:?}");
    drop(stack);
    eventually("every process ends", async || pids.iter().all(|pid| is_gone(*pid))).await;
    Ok(())
}

async fn watch(stack: &Stack) -> Streamed {
    let path = "/api/metrics/stream?interval=2";
    tests::Api::new(&stack.base_url).call(Method::GET, path).open().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_holds_its_process_and_gives_its_place_back_when_that_ends() -> Result<()> {
    let parameters = [("MetricsStreamViewers".to_owned(), "1".to_owned())].into();
    let options = Options { bootstraps: Some(bootstraps()), parameters, ..Options::default() };
    let stack = stack_with(options).await;
    let mut first = watch(&stack).await;
    for _ in 0..2 {
        first.next().await?.context("an event")?;
    }
    // As on AWS, the function goes on when its reader has left.
    drop(first);
    assert_eq!(watch(&stack).await.response.status(), 500, "there is one place");
    let [pid] = of_stack(&stack)[..] else { bail!("one process streams") };
    kill(pid)?;
    eventually("the place is free", async || watch(&stack).await.response.status() == 200).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_environment_serves_one_invocation_after_the_other() -> Result<()> {
    let stack = processes().await;
    let api = tests::Api::new(&stack.base_url);
    for _ in 0..5 {
        api.get("/health").await.ok();
    }
    assert_eq!(of_stack(&stack).len(), 1, "a call at a time needs one process");
    let unknown = stack.invoke("NoFunction", json!({})).await.expect_err("there is none");
    assert!(unknown.to_string().starts_with("ResourceNotFoundException"), "{unknown}");
    Ok(())
}
