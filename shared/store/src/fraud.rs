//! Purchases with money, seen and decided.
//!
//! An attempt costs one read of everything that the decision needs (the windows, the
//! rules in force, a decision that there may be already), then its windows' writes,
//! all at once. A decision is listed first and stored then, so that what is stored
//! is in the lists; a listing whose decision was never stored, or was stored at
//! another moment, is none.

mod audit;
mod rules;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::{
    AttemptId, PlayerId,
    fraud::{Assessment, Features, Payment, Payments, Rules, Sightings},
};
use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use audit::FraudFilter;
pub use rules::FraudRules;
pub(crate) use rules::StoredRules;

use crate::{
    Store, boxed,
    error::{Error, Result, if_condition_held},
    execute::backoff,
    item::{self, Item},
    keys::{self, Address},
};

/// How often attempts that are counted at once in the same window count anew.
const TRIES: u32 = 20;

/// After its last attempt is forgotten, a window may stay for so long: clocks differ.
const GRACE_SECONDS: i64 = 60;

/// An attempt as windows count it. `address`, `device` and `card` come from keyed
/// hashes: the things themselves are personal.
#[derive(Clone, Debug)]
pub struct Tried<'a> {
    pub attempt: AttemptId,
    pub player: PlayerId,
    /// Names the address's window, if the address is known.
    pub address: Option<String>,
    /// Names the device's window, if it says which it is.
    pub device: Option<String>,
    pub card: u32,
    pub amount_minor: u64,
    /// ISO 4217.
    pub currency: &'a str,
    pub now: Timestamp,
}

/// What is known of an attempt.
#[derive(Debug)]
pub enum Seen {
    /// It was decided before.
    Decided(Assessment),
    /// It is counted now, and can be decided.
    Counted { features: Features, rules: Box<Rules> },
}

/// A window as it lies in the table.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Window<T> {
    #[serde(flatten)]
    seen: T,
    /// Counts its writes.
    revision: u64,
    /// Epoch seconds.
    expires_at: i64,
}

/// The windows of one attempt, each with its address.
struct Windows {
    address: Option<Slot<Sightings>>,
    device: Option<Slot<Sightings>>,
    payments: Slot<Payments>,
}

struct Slot<T> {
    at: Address,
    window: Window<T>,
}

impl Store {
    /// Counts the attempt, once however often it is sent, and says what is known
    /// then; or the decision that there is already.
    ///
    /// # Errors
    /// [`Error::Contended`], [`Error::Unavailable`].
    #[boxed]
    pub async fn see(&self, tried: &Tried<'_>) -> Result<Seen> {
        let mut windows = Windows::of(tried);
        let decision = keys::fraud_decision(tried.attempt);
        let mut wanted = windows.addresses();
        wanted.extend([decision.clone(), keys::fraud_rules_in_force()]);
        let mut found = by_key(self.get(&wanted).await?);
        if let Some(decided) = found.remove(&decision.pk) {
            return Ok(Seen::Decided(item::decode(decided)?));
        }
        let rules = rules::in_force(found.remove(&keys::fraud_rules_in_force().pk))?;
        windows.read(&wanted, &mut found)?;
        self.count_in(&mut windows, tried).await?;
        let Windows { address, device, payments } = &windows;
        let seen =
            |slot: &'_ Option<Slot<Sightings>>| slot.as_ref().map(|slot| slot.window.seen.clone());
        let features = Features::of(
            seen(address).as_ref(),
            seen(device).as_ref(),
            &payments.window.seen,
            tried.player,
            (tried.amount_minor, tried.currency),
            tried.now,
        );
        Ok(Seen::Counted { features, rules: Box::new(rules) })
    }

    /// Writes the windows that the attempt changes; those that somebody else has
    /// written meanwhile are read again.
    async fn count_in(&self, windows: &mut Windows, tried: &Tried<'_>) -> Result<()> {
        for attempt in 0..TRIES {
            let lost: Vec<Address> = self.write_once(windows, tried).await?;
            let Some(first) = lost.first() else { return Ok(()) };
            self.pause(backoff(&(tried.attempt, &first.pk), attempt)).await;
            let mut found = by_key(self.get(&lost).await?);
            windows.read(&lost, &mut found)?;
        }
        // Nothing was decided. What was counted is found again by the same attempt.
        Err(Error::Contended { attempts: TRIES })
    }

    /// The addresses of windows that have changed since they were read.
    async fn write_once(&self, windows: &mut Windows, tried: &Tried<'_>) -> Result<Vec<Address>> {
        let now = tried.now;
        let payment =
            Payment::new(tried.attempt, tried.card, (tried.amount_minor, tried.currency), now);
        let mut writes = Vec::new();
        for slot in [&mut windows.address, &mut windows.device].into_iter().flatten() {
            let next = slot.window.seen.count(tried.attempt, now);
            let forgotten_at = next.forgotten_at();
            writes.extend(slot.change(next, forgotten_at, "fraud_sightings")?);
        }
        let next = windows.payments.window.seen.count(&payment, now);
        let forgotten_at = next.forgotten_at();
        writes.extend(windows.payments.change(next, forgotten_at, "fraud_payments")?);
        let written = join_all(writes.into_iter().map(|(address, revision, item)| async move {
            let held = self.put_revision(item, revision).await?;
            Ok::<_, Error>((address, held))
        }));
        let mut lost = Vec::new();
        for written in written.await {
            let (address, held) = written?;
            if !held {
                lost.push(address);
            }
        }
        Ok(lost)
    }

    /// Notes that the attempt's payment failed at the provider, once however often it
    /// is said. One that is older than a day is of no interest.
    ///
    /// # Errors
    /// [`Error::Contended`], [`Error::Unavailable`].
    #[boxed]
    pub async fn payment_failed(&self, player: PlayerId, attempt: AttemptId) -> Result<()> {
        let at = keys::fraud_payments(player);
        for turn in 0..TRIES {
            let Some(item) = self.get(std::slice::from_ref(&at)).await?.pop() else {
                return Ok(());
            };
            let mut slot = Slot { at: at.clone(), window: item::decode::<Window<Payments>>(item)? };
            let next = slot.window.seen.fail(attempt);
            let forgotten_at = next.forgotten_at();
            let Some((_, revision, item)) = slot.change(next, forgotten_at, "fraud_payments")?
            else {
                return Ok(());
            };
            if self.put_revision(item, revision).await? {
                return Ok(());
            }
            self.pause(backoff(&(attempt, "failed"), turn)).await;
        }
        Err(Error::Contended { attempts: TRIES })
    }

    /// Writes a window unless another write came first.
    async fn put_revision(&self, item: Item, revision: u64) -> Result<bool> {
        let before = AttributeValue::N((revision - 1).to_string());
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR revision = :before")
            .expression_attribute_values(":before", before)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        Ok(if_condition_held(answer)?.is_some())
    }
}

impl Windows {
    /// The windows of an attempt, not read yet.
    fn of(tried: &Tried<'_>) -> Self {
        let sightings = |name: &String| Slot::empty(keys::fraud_sightings(name));
        Self {
            address: tried.address.as_ref().map(sightings),
            device: tried.device.as_ref().map(sightings),
            payments: Slot::empty(keys::fraud_payments(tried.player)),
        }
    }

    fn addresses(&self) -> Vec<Address> {
        let sightings = [&self.address, &self.device].into_iter().flatten();
        sightings.map(|slot| slot.at.clone()).chain([self.payments.at.clone()]).collect()
    }

    /// Takes what was found where it was looked.
    fn read(&mut self, looked_at: &[Address], found: &mut HashMap<String, Item>) -> Result<()> {
        for slot in [&mut self.address, &mut self.device].into_iter().flatten() {
            slot.read(looked_at, found)?;
        }
        self.payments.read(looked_at, found)
    }
}

impl<T> Slot<T>
where
    T: Default + PartialEq + Clone + Serialize + serde::de::DeserializeOwned,
{
    fn empty(at: Address) -> Self {
        Self { at, window: Window::default() }
    }

    fn read(&mut self, looked_at: &[Address], found: &mut HashMap<String, Item>) -> Result<()> {
        if looked_at.contains(&self.at) {
            let found = found.remove(&self.at.pk).map(item::decode).transpose()?;
            self.window = found.unwrap_or_default();
        }
        Ok(())
    }

    /// The item to write, with its address and revision, if `next` is another one.
    fn change(
        &mut self,
        next: T,
        forgotten_at: i64,
        entity: &str,
    ) -> Result<Option<(Address, u64, Item)>> {
        if next == self.window.seen {
            return Ok(None);
        }
        let revision = self.window.revision + 1;
        let expires_at = forgotten_at.saturating_add(GRACE_SECONDS);
        self.window = Window { seen: next, revision, expires_at };
        let item = item::encode(self.at.clone(), entity, &self.window)?;
        Ok(Some((self.at.clone(), revision, item)))
    }
}

/// By partition key: each of these items has one of its own.
fn by_key(items: Vec<Item>) -> HashMap<String, Item> {
    items
        .into_iter()
        .map(|found| (item::pk(&found).unwrap_or_default().to_owned(), found))
        .collect()
}
