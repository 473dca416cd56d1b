//! Guesses at secrets, counted one by one.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{
    Rejection,
    attempts::{Attempts, Policy},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Store, boxed,
    error::{Result, if_condition_held},
    execute::backoff,
    item,
    keys::{self, Address},
};

/// How often two guesses that were counted at once count anew.
const TRIES: u32 = 20;

/// Who guesses, or what is guessed at, and what it may do.
#[derive(Clone, Debug)]
pub struct Guesser {
    /// Names the counter; a fingerprint, since names and addresses are personal.
    pub name: String,
    pub policy: Policy,
}

/// A counter as it lies in the table.
#[derive(Default, Serialize, Deserialize)]
struct Counter {
    #[serde(flatten)]
    attempts: Attempts,
    /// Counts its writes.
    revision: u64,
    /// Epoch seconds.
    expires_at: i64,
}

impl Store {
    /// Counts the attempt `by` on `target` with each of the `guessers`, as failed until
    /// [`Store::forgive`] says otherwise. Of any number at once, no more get through
    /// than the policies say. A refused one costs one read and no write.
    ///
    /// # Errors
    /// [`Rejection::LoginLocked`], [`Rejection::RateLimited`],
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn attempt(
        &self,
        guessers: &[Guesser],
        target: &str,
        by: u64,
        now: Timestamp,
    ) -> Result<()> {
        self.count(guessers, target, |guesser, attempts| {
            attempts.begin(guesser.policy, target, by, now)
        })
        .await
    }

    /// Forgets the failed attempts of the `guessers` on `target`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn forgive(&self, guessers: &[Guesser], target: &str, now: Timestamp) -> Result<()> {
        self.count(guessers, target, |_, attempts| Ok(attempts.forgive(target, now))).await
    }

    /// Changes every guesser's counter: one read for all, then a write for each that
    /// differs, all at once. Those that somebody else has written meanwhile are read
    /// again.
    async fn count(
        &self,
        guessers: &[Guesser],
        target: &str,
        change: impl Fn(&Guesser, &Attempts) -> Result<Attempts, Rejection>,
    ) -> Result<()> {
        let mut pending: Vec<&Guesser> = guessers.iter().collect();
        for attempt in 0..TRIES {
            let addresses: Vec<_> = pending.iter().map(|guesser| address(guesser)).collect();
            let mut found: HashMap<String, Counter> = HashMap::new();
            for item in self.get(&addresses).await? {
                let pk = item::pk(&item).unwrap_or_default().to_owned();
                found.insert(pk, item::decode(item)?);
            }
            let mut writes = Vec::new();
            for (guesser, address) in pending.iter().zip(addresses) {
                let before = found.remove(&address.pk).unwrap_or_default();
                let attempts = change(guesser, &before.attempts)?;
                if attempts != before.attempts {
                    let expires_at = attempts.forgotten_at().as_second() + 60;
                    let next = Counter { attempts, revision: before.revision + 1, expires_at };
                    writes.push((*guesser, address, next));
                }
            }
            let written = join_all(writes.iter().map(|(guesser, address, next)| async move {
                (*guesser, self.replace(address, next).await)
            }));
            pending = Vec::new();
            for (guesser, written) in written.await {
                if !written? {
                    pending.push(guesser);
                }
            }
            if pending.is_empty() {
                return Ok(());
            }
            self.pause(backoff(&(target, address(pending[0]).pk), attempt)).await;
        }
        // So many at once are too many.
        Err(Rejection::RateLimited { retry_after: SignedDuration::from_secs(1) }.into())
    }

    /// Writes the counter unless another write came first.
    async fn replace(&self, address: &Address, counter: &Counter) -> Result<bool> {
        let before = AttributeValue::N((counter.revision - 1).to_string());
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item::encode(address.clone(), "attempts", counter)?))
            .condition_expression("attribute_not_exists(pk) OR revision = :before")
            .expression_attribute_values(":before", before)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        Ok(if_condition_held(answer)?.is_some())
    }
}

fn address(guesser: &Guesser) -> Address {
    keys::attempts(&guesser.name)
}
