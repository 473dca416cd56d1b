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
    error::{Error, Result, if_condition_held},
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
    /// Counts the attempt `by` on `target` with each of the `guessers`, as under way
    /// until [`Store::fail`] or [`Store::forgive`] says how it ended. Of any number at
    /// once, no more get through than the policies say. A refused one costs one read and
    /// no write, unless others got in between.
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
        let mut uncounted: Vec<&Guesser> = guessers.iter().collect();
        let begun = self
            .count(&mut uncounted, target, |guesser, attempts| {
                attempts.begin(guesser.policy, target, by, now)
            })
            .await;
        let counted = match &begun {
            Ok(()) => false,
            Err(Error::Rejected(_)) => uncounted.len() < guessers.len(),
            // Nobody knows.
            Err(_) => true,
        };
        if counted {
            self.withdraw(guessers, target, by, now).await;
        }
        begun
    }

    /// Takes back what some of the `guessers` have counted and another has not: nothing
    /// was looked at, and nobody will say how that ended. If it cannot be taken back it
    /// counts as failed in time.
    async fn withdraw(&self, guessers: &[Guesser], target: &str, by: u64, now: Timestamp) {
        let withdrawn = self.settle(guessers, target, |attempts| attempts.withdraw(by, now));
        if let Err(error) = withdrawn.await {
            tracing::warn!(%error, "an attempt that was refused still counts");
        }
    }

    /// The attempt `by` of the `guessers` on `target` was wrong.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] when too many others write at once,
    /// [`crate::Error::Unavailable`]. It counts anyway, only not yet as failed.
    #[boxed]
    pub async fn fail(
        &self,
        guessers: &[Guesser],
        target: &str,
        by: u64,
        now: Timestamp,
    ) -> Result<()> {
        self.settle(guessers, target, |attempts| attempts.fail(by, now)).await
    }

    /// Forgets the attempts of the `guessers` on `target`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    #[boxed]
    pub async fn forgive(&self, guessers: &[Guesser], target: &str, now: Timestamp) -> Result<()> {
        self.settle(guessers, target, |attempts| attempts.forgive(target, now)).await
    }

    /// Changes the counter of each of the `guessers`; none is refused.
    async fn settle(
        &self,
        guessers: &[Guesser],
        target: &str,
        change: impl Fn(&Attempts) -> Attempts,
    ) -> Result<()> {
        let mut pending: Vec<&Guesser> = guessers.iter().collect();
        self.count(&mut pending, target, |_, attempts| Ok(change(attempts))).await
    }

    /// Changes the counter of everybody who is `pending`: one read for all, then a write
    /// for each that differs, all at once. Those that somebody else has written meanwhile
    /// are read again; they are who is left `pending` when another is refused.
    async fn count(
        &self,
        pending: &mut Vec<&Guesser>,
        target: &str,
        change: impl Fn(&Guesser, &Attempts) -> Result<Attempts, Rejection>,
    ) -> Result<()> {
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
            pending.clear();
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
