//! Doing what is due: payments move, notices are sent until they are acknowledged.

use std::{sync::Arc, time::Duration};

use domain::ReceiptId;
use reqwest::header::CONTENT_TYPE;
use runtime::payments::signature;
use tokio::task::JoinSet;

use crate::{
    agenda::Work,
    book::Delivery,
    record::Record,
    service::{Refusal, Service},
};

/// What a webhook may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// After as many failures in a row a notice is given up; `GET /v1/notices` shows it.
const MOST_FAILURES: u32 = 20;

/// Does everything when it is due, for ever.
#[expect(clippy::disallowed_methods, reason = "when something is due is what is waited for")]
pub(crate) async fn drive(service: Arc<Service>) {
    let mut under_way = JoinSet::new();
    loop {
        loop {
            let work = {
                let mut state = service.lock();
                let now = state.agenda.now();
                state.agenda.begin(now)
            };
            let Some(work) = work else { break };
            let service = Arc::clone(&service);
            under_way.spawn(async move { service.perform(work).await });
        }
        let pause = service.lock().agenda.pause();
        tokio::select! {
            () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)) => {}
            () = service.wake.notified() => {}
            Some(_) = under_way.join_next() => {}
        }
    }
}

impl Service {
    /// Lets `by` pass at once: does, one after the other, everything that becomes due
    /// within, and what follows from that.
    pub(crate) async fn advance(&self, by: Duration) {
        let until = {
            let state = self.lock();
            state.agenda.now() + by
        };
        loop {
            let work = self.lock().agenda.begin(until);
            let Some(work) = work else { break };
            self.perform(work).await;
        }
        self.lock().agenda.put_forward_to(until);
        self.wake.notify_one();
    }

    async fn perform(&self, work: Work) {
        let done = match &work {
            Work::Move(receipt) => self.follow_script(*receipt),
            Work::Send(receipt, event_id) => self.send(*receipt, event_id).await,
        };
        if let Err(error) = done {
            tracing::error!(%error, "the provider leaves something undone");
        }
        self.lock().agenda.done(&work);
        self.wake.notify_one();
    }

    /// Sends a notice once, and plans what follows from the answer.
    async fn send(&self, receipt: ReceiptId, event_id: &str) -> Result<(), Refusal> {
        let notice = {
            let state = self.lock();
            let delivery = state.book.delivery(event_id).ok_or(Refusal::Broken)?;
            delivery.sent.notice.clone()
        };
        let body = serde_json::to_vec(&notice).map_err(|_| Refusal::Broken)?;
        let at = self.clock.now();
        let signature = signature::sign(&self.keys.current(), at, &self.random(), &body);
        let request = self
            .http
            .post(&self.webhook_url)
            .timeout(ANSWER)
            .header(CONTENT_TYPE, "application/json")
            .header(signature::HEADER, signature)
            .body(body);
        let status = match request.send().await {
            Ok(answer) => Some(answer.status().as_u16()),
            Err(error) => {
                tracing::debug!(%error, event_id, "the webhook does not answer");
                None
            }
        };
        let mut state = self.lock();
        let attempt = Record::Attempted { at, event_id: event_id.to_owned(), status };
        self.note(&mut state, attempt)?;
        let delivery = state.book.delivery(event_id).ok_or(Refusal::Broken)?.clone();
        let again = Work::Send(receipt, event_id.to_owned());
        match delivery.failures() {
            0 if delivery.sent.outstanding > 0 => {
                self.plan(&mut state, self.delays.notice, again);
            }
            0 => {
                if let Delivery { then: Some(older), .. } = delivery {
                    self.notify(&mut state, older, 1, None)?;
                }
            }
            failures if failures < MOST_FAILURES => {
                self.plan(&mut state, self.backoff(failures), again);
            }
            _ => tracing::warn!(event_id, "a notice is given up"),
        }
        Ok(())
    }

    fn backoff(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.delays.retry.saturating_mul(doubled).min(self.delays.longest_retry)
    }
}
