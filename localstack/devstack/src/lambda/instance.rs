//! One execution environment: a process and its Runtime API.

use std::{io, process::ExitStatus, time::Duration};

use bytes::{Bytes, BytesMut};
use runtime::MetadataPrelude;
use tokio::{
    process::Child,
    time::{Instant, timeout, timeout_at},
};

use super::{
    launch::Launch,
    logs,
    outcome::Failure,
    runtime_api::{Invocation, Pieces, RuntimeApi, Said},
};
use crate::engine::{fresh_id, now};

/// How long Lambda lets an environment initialise.
const INIT: Duration = Duration::from_secs(10);

/// Between the head of a streamed answer and its body.
const DELIMITER: [u8; 8] = [0; 8];

/// A streamed answer that has begun.
#[derive(Debug)]
pub struct Opened {
    pub head: MetadataPrelude,
    /// What of the body came with the head.
    pub first: Bytes,
    pub(super) rest: Pieces,
    /// When the function has taken longer than it may.
    pub(super) deadline: Instant,
}

impl Opened {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// The process broke the body off.
    pub async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        if !self.first.is_empty() {
            return Some(Ok(std::mem::take(&mut self.first)));
        }
        self.rest.recv().await
    }
}

/// What a process said to an invocation.
enum Answer {
    Whole(Bytes),
    Streaming(Pieces),
}

/// A running execution environment: one invocation at a time. The process ends
/// when this is dropped.
#[derive(Debug)]
pub struct Instance {
    child: Child,
    api: RuntimeApi,
    arn: String,
    timeout: Duration,
}

impl Instance {
    /// Starts the process; it initialises while this returns.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn spawn(launch: &Launch) -> io::Result<Self> {
        let api = RuntimeApi::start().await?;
        let mut child = launch.command(&api.address.to_string()).spawn()?;
        logs::forward(&launch.name, &mut child);
        Ok(Self { child, api, arn: launch.arn(), timeout: launch.timeout })
    }

    /// Starts the process and waits until it has initialised.
    ///
    /// # Errors
    /// It cannot be started, fails, ends, or takes longer than 10 s.
    pub async fn start(launch: &Launch) -> Result<Self, Failure> {
        let mut instance = Self::spawn(launch).await.map_err(|error| Failure::Start {
            request_id: fresh_id().to_string(),
            reason: format!("{}: {error}", launch.bootstrap.display()),
        })?;
        let initialised = timeout(INIT, instance.initialised()).await;
        initialised.unwrap_or_else(|_| Err(timed_out(fresh_id().to_string(), INIT)))?;
        Ok(instance)
    }

    async fn initialised(&mut self) -> Result<(), Failure> {
        loop {
            tokio::select! {
                biased;
                said = self.api.said() => match said {
                    Said::Next => return Ok(()),
                    Said::InitError { kind, body } => return Err(Failure::Init { kind, body }),
                    Said::Response(_) | Said::Streaming(_) | Said::Error { .. } => {}
                },
                status = self.child.wait() => return Err(exit(fresh_id().to_string(), status)),
            }
        }
    }

    /// Invokes the function with an event and returns its answer, byte for byte.
    ///
    /// # Errors
    /// The function reported a failure, ended, or took longer than it may; in the
    /// last case it is killed.
    pub async fn invoke(&mut self, payload: Bytes) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + self.timeout;
        match self.begin(payload, deadline).await? {
            Answer::Whole(bytes) => Ok(bytes),
            Answer::Streaming(pieces) => self.in_time(deadline, collected(pieces)).await,
        }
    }

    /// Invokes a function that streams; it is under way until the body has ended.
    ///
    /// # Errors
    /// As [`Self::invoke`], and an answer that is not streamed.
    pub async fn open(&mut self, payload: Bytes) -> Result<Opened, Failure> {
        let deadline = Instant::now() + self.timeout;
        match self.begin(payload, deadline).await? {
            Answer::Whole(_) => Err(Failure::answer("it is not streamed")),
            Answer::Streaming(pieces) => self.in_time(deadline, opened(pieces, deadline)).await,
        }
    }

    /// Hands an event to the process and hears what it says to it.
    async fn begin(&mut self, payload: Bytes, deadline: Instant) -> Result<Answer, Failure> {
        let request_id = fresh_id().to_string();
        let allowed = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        let trace = fresh_id().simple().to_string();
        let invocation = Invocation {
            request_id: request_id.clone(),
            deadline_ms: now().as_millisecond().saturating_add(allowed),
            function_arn: self.arn.clone(),
            trace_id: format!(
                "Root=1-{:08x}-{};Parent={};Sampled=0",
                now().as_second(),
                &trace[8..],
                &trace[..16]
            ),
            payload,
        };
        self.api.offer(invocation).await;
        match timeout_at(deadline, self.answer(&request_id)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.kill(request_id).await),
        }
    }

    async fn in_time<T>(
        &mut self,
        deadline: Instant,
        rest: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match timeout_at(deadline, rest).await {
            Ok(answer) => answer,
            Err(_) => Err(self.kill(fresh_id().to_string()).await),
        }
    }

    async fn kill(&mut self, request_id: String) -> Failure {
        // It may be gone already, which is as good.
        let _ = self.child.kill().await;
        timed_out(request_id, self.timeout)
    }

    async fn answer(&mut self, request_id: &str) -> Result<Answer, Failure> {
        loop {
            tokio::select! {
                biased;
                said = self.api.said() => match said {
                    Said::Next => {}
                    Said::Response(body) => return Ok(Answer::Whole(body)),
                    Said::Streaming(pieces) => return Ok(Answer::Streaming(pieces)),
                    Said::Error { kind, body } => return Err(Failure::Reported { kind, body }),
                    Said::InitError { kind, body } => return Err(Failure::Init { kind, body }),
                },
                status = self.child.wait() => return Err(exit(request_id.to_owned(), status)),
            }
        }
    }

    /// Ends the process and waits until it is gone.
    pub async fn end(mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill().await;
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The process's id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

/// All that a process streams, with the head.
async fn collected(mut pieces: Pieces) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    while let Some(piece) = pieces.recv().await {
        whole.extend(piece.map_err(Failure::answer)?);
    }
    Ok(whole.freeze())
}

/// Reads the head of what a process streams.
async fn opened(mut pieces: Pieces, deadline: Instant) -> Result<Opened, Failure> {
    let mut read = BytesMut::new();
    loop {
        if let Some(end) = read.windows(DELIMITER.len()).position(|window| window == DELIMITER) {
            let head = serde_json::from_slice(&read.split_to(end)).map_err(Failure::answer)?;
            let first = read.split_off(DELIMITER.len()).freeze();
            return Ok(Opened { head, first, rest: pieces, deadline });
        }
        match pieces.recv().await {
            Some(piece) => read.extend(piece.map_err(Failure::answer)?),
            None => return Err(Failure::answer("it has no head")),
        }
    }
}

fn exit(request_id: String, status: io::Result<ExitStatus>) -> Failure {
    match status {
        Ok(status) => Failure::Exit { request_id, status },
        Err(error) => Failure::Start { request_id, reason: error.to_string() },
    }
}

const fn timed_out(request_id: String, after: Duration) -> Failure {
    Failure::TimedOut { request_id, seconds: after.as_secs() }
}
