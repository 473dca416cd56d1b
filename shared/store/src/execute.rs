//! Load, decide, commit: the only way a player changes.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use domain::{Answer, Entry, Once, OnceKey, Plan, Player, PlayerId, Rejection};

use crate::{
    Found, Needs, Store, Subject, boxed,
    commit::{Cause, Outcome},
    error::{Error, Result, classify, done_or_needless},
    item::{self, Item, Pointer},
    keys::{self, Address},
};

/// How often a command is decided anew before the caller is told to come back.
const ATTEMPTS: u32 = 12;

/// How long it may go on like that: well below the time a function has.
const PATIENCE: Duration = Duration::from_secs(5);

/// When even calls that hang are given up: before the function is, so that the
/// caller is told what an unknown outcome means.
const LIMIT: Duration = Duration::from_secs(8);

/// What a rule decided, and the answer that goes with it.
pub struct Decision {
    pub plan: Plan,
    /// `None` for scheduled work, which answers nobody.
    pub answer: Option<Answer>,
}

/// What a command makes of its player's state.
type Decide<'a> = dyn FnMut(Option<Player>, &Found) -> Result<Option<Decision>> + Send + 'a;

/// The entry of a command, written now or long ago.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub entry: Entry,
    /// Whether the command had happened before this call.
    pub replayed: bool,
}

impl Store {
    /// Carries out a command on an existing player, once.
    ///
    /// Loads state and idempotency pointer in one round trip; answers from the
    /// journal if the key was used; otherwise lets `decide` make a plan and
    /// commits it in one transaction. When the state moved meanwhile, or the
    /// outcome is unknown, it loads again: the pointer tells whether it happened,
    /// so nothing is guessed and nothing is done twice.
    ///
    /// # Errors
    /// What `decide` rejects, what the subject's token no longer allows,
    /// [`Error::KeyReused`], [`Error::PlayerNotFound`],
    /// [`Error::Contended`], [`Error::Unavailable`].
    pub async fn execute(
        &self,
        subject: Subject,
        once: Once,
        mut decide: impl FnMut(&Player) -> Result<Decision, Rejection> + Send,
    ) -> Result<Receipt> {
        let receipt = self.execute_if(subject, once, |state| decide(state).map(Some)).await?;
        Ok(receipt.expect("a decision was made"))
    }

    /// As [`Store::execute`] for a command that may find nothing to do: then
    /// `decide` says `None`, and so does this.
    ///
    /// # Errors
    /// As [`Store::execute`].
    pub async fn execute_if(
        &self,
        subject: Subject,
        once: Once,
        mut decide: impl FnMut(&Player) -> Result<Option<Decision>, Rejection> + Send,
    ) -> Result<Option<Receipt>> {
        self.execute_with(subject, once, &Needs::default(), |state, _| decide(state)).await
    }

    /// As [`Store::execute_if`] for a command that decides on more than the player's
    /// state: what it needs is read in the same round trip, each time anew.
    ///
    /// # Errors
    /// As [`Store::execute`].
    pub async fn execute_with(
        &self,
        subject: Subject,
        once: Once,
        needs: &Needs,
        mut decide: impl FnMut(&Player, &Found) -> Result<Option<Decision>, Rejection> + Send,
    ) -> Result<Option<Receipt>> {
        self.run(subject, once, needs, &mut |state, found| {
            let state = state.ok_or(Error::PlayerNotFound(subject.player()))?;
            Ok(decide(&state, found)?)
        })
        .await
    }

    /// The receipt of a command that was carried out before, if it was.
    ///
    /// # Errors
    /// As [`Store::execute`].
    #[boxed]
    pub async fn receipt(&self, subject: Subject, once: &Once) -> Result<Option<Receipt>> {
        let loaded = self.load(subject.player(), &once.key, &Needs::default()).await?;
        match &loaded.player {
            Some(state) => subject.admit(state)?,
            // Who is not there yet asks for nobody.
            None if subject.is_system() => {}
            None => return Err(Error::PlayerNotFound(subject.player())),
        }
        match loaded.pointer {
            Some(pointer) => self.replay(pointer, once).await.map(Some),
            None => Ok(None),
        }
    }

    /// Carries out a command that creates its player, once.
    ///
    /// # Errors
    /// As [`Store::execute`], besides [`Error::PlayerNotFound`].
    pub async fn create(
        &self,
        player: PlayerId,
        once: Once,
        mut decide: impl FnMut() -> Result<Decision, Rejection> + Send,
    ) -> Result<Receipt> {
        let subject = Subject::system(player);
        let nothing = Needs::default();
        let receipt = self.run(subject, once, &nothing, &mut |_, _| Ok(Some(decide()?))).await?;
        Ok(receipt.expect("a decision was made"))
    }

    #[boxed]
    async fn run(
        &self,
        subject: Subject,
        once: Once,
        needs: &Needs,
        decide: &mut Decide<'_>,
    ) -> Result<Option<Receipt>> {
        tokio::select! {
            biased;
            done = self.attempts(subject, once, needs, decide) => done,
            () = self.pause(LIMIT) => Err(Error::Unavailable("the table hangs".into())),
        }
    }

    async fn attempts(
        &self,
        subject: Subject,
        once: Once,
        needs: &Needs,
        decide: &mut Decide<'_>,
    ) -> Result<Option<Receipt>> {
        let player = subject.player();
        let mut cause = Cause::Moved;
        let mut admitted = false;
        let give_up = tokio::time::Instant::now() + PATIENCE;
        for attempt in 0..ATTEMPTS {
            let loaded = self.load(player, &once.key, needs).await?;
            // Each time, since the session may end meanwhile. But what this very command
            // did (it may have ended it) must not refuse its own answer.
            let done_just_now = admitted && loaded.pointer.is_some();
            if !done_just_now && let Some(state) = &loaded.player {
                subject.admit(state)?;
                admitted = true;
            }
            if let Some(pointer) = loaded.pointer {
                return self.replay(pointer, &once).await.map(Some);
            }
            let decided = decide(loaded.player, &loaded.found)?;
            let Some(Decision { plan, answer }) = decided else { return Ok(None) };
            let plan = plan.sealed(Some(once.clone()), answer);
            match self.commit(&plan).await? {
                Outcome::Committed => {
                    return Ok(Some(Receipt { entry: plan.entry().clone(), replayed: false }));
                }
                Outcome::Duplicate(pointer) => return self.replay(pointer, &once).await.map(Some),
                Outcome::Refused(rejection) => return Err(rejection.into()),
                Outcome::Again(why) => {
                    tracing::debug!(%player, attempt, ?why, "deciding again");
                    cause = why;
                }
            }
            if tokio::time::Instant::now() > give_up {
                break;
            }
            self.pause(backoff(&(&once.request_hash, player), attempt)).await;
        }
        // The last attempt's outcome may be unknown: look once more before giving up.
        if let Some(pointer) = self.load(player, &once.key, &Needs::default()).await?.pointer {
            return self.replay(pointer, &once).await.map(Some);
        }
        Err(match cause {
            Cause::Moved => Error::Contended { attempts: ATTEMPTS },
            Cause::Unanswered(source) => Error::Unavailable(source),
        })
    }

    async fn replay(&self, pointer: Pointer, once: &Once) -> Result<Receipt> {
        if pointer.request_hash != once.request_hash {
            return Err(Error::KeyReused);
        }
        let entry = self.entry(pointer.player, pointer.seq).await?;
        Ok(Receipt { entry, replayed: true })
    }

    pub(crate) async fn entry(&self, player: PlayerId, seq: u64) -> Result<Entry> {
        let address = keys::entry(player, seq);
        let answer = self
            .client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(address.key()))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(classify)?;
        let item = answer.item.ok_or_else(|| Error::Corrupt {
            pk: address.pk,
            sk: address.sk,
            source: "there is no such entry".into(),
        })?;
        item::decode_entry(item)
    }

    async fn load(&self, player: PlayerId, key: &OnceKey, needs: &Needs) -> Result<Loaded> {
        let mut loaded = Loaded { player: None, pointer: None, found: Found::default() };
        let mut addresses = vec![keys::state(player), keys::once(player, key)];
        addresses.extend(needs.addresses(player));
        for item in self.get(&addresses).await? {
            match item::sk(&item) {
                Some(keys::STATE) => loaded.player = Some(item::decode_state(item)?),
                Some(keys::ONCE) => loaded.pointer = Some(item::decode(item)?),
                _ => loaded.found.add(item)?,
            }
        }
        Ok(loaded)
    }

    /// Puts an item unless one is there. Where a name is an item's own, that is this one:
    /// an attempt that was given up and took effect after all, and what happened to it
    /// since stays.
    pub(crate) async fn put_absent(&self, item: Item) -> Result<()> {
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        done_or_needless(answer)
    }

    /// The items that exist at these addresses, in any order: one strongly
    /// consistent round trip unless the table leaves some out.
    pub(crate) async fn get(&self, addresses: &[Address]) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        let mut wanted: Vec<_> = addresses.iter().map(Address::key).collect();
        for attempt in 0..ATTEMPTS {
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut wanted)))
                .consistent_read(true)
                .build()
                .map_err(|error| Error::Refused(Box::new(error)))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&*self.table, keys)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(classify)?;
            found.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            wanted.extend(
                answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, keys)| keys.keys),
            );
            if wanted.is_empty() {
                return Ok(found);
            }
            self.pause(Duration::from_millis(10 << attempt.min(5))).await;
        }
        Err(Error::Unavailable("the table left keys unread".into()))
    }
}

struct Loaded {
    player: Option<Player>,
    pointer: Option<Pointer>,
    found: Found,
}

/// Full jitter, spread by what differs between two requests of one player, so
/// that a run with the same requests waits the same.
pub fn backoff(request: &impl Hash, attempt: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (request, attempt).hash(&mut hasher);
    let ceiling_millis = 4_u64 << attempt.min(6);
    Duration::from_micros(hasher.finish() % (ceiling_millis * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_spread_over_a_ceiling_that_doubles_six_times() {
        let player = PlayerId::from_bytes([1; 16]);
        for (attempt, ceiling_millis) in [(0, 4), (1, 8), (3, 32), (6, 256), (7, 256), (11, 256)] {
            let ceiling = Duration::from_millis(ceiling_millis);
            let pauses = (0..400).map(|request| backoff(&(request, player), attempt));
            let pauses: Vec<_> = pauses.collect();
            assert!(pauses.iter().all(|pause| *pause < ceiling), "{attempt}: {pauses:?}");
            let (short, long) = (ceiling / 10, ceiling / 10 * 9);
            assert!(pauses.iter().any(|pause| *pause < short), "{attempt}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause > long), "{attempt}: {pauses:?}");
        }
    }
}
