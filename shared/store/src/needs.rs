//! What a decision needs besides the player's state.

use domain::{
    PlayerId, ReceiptId,
    limited::{Package, Promo, Shard},
    purchase::Purchase,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    item::{self, Item},
    keys::{self, Address},
};

/// What to read together with the state and the idempotency pointer.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    purchase: Option<ReceiptId>,
    package: Option<String>,
    stock: Option<(String, u16)>,
    promo: Option<(String, String)>,
    notice: Option<String>,
}

impl Needs {
    /// A purchase of the player's.
    #[must_use]
    pub fn purchase(mut self, receipt: ReceiptId) -> Self {
        self.purchase = Some(receipt);
        self
    }

    /// A limited package.
    #[must_use]
    pub fn package(mut self, code: &str) -> Self {
        self.package = Some(code.to_owned());
        self
    }

    /// All shards of a package's stock.
    #[must_use]
    pub fn stock(mut self, package: &Package) -> Self {
        self.stock = Some((package.code.clone(), package.shards));
        self
    }

    /// A promo code for a package.
    #[must_use]
    pub fn promo(mut self, package: &str, code: &str) -> Self {
        self.promo = Some((package.to_owned(), code.to_owned()));
        self
    }

    /// Whether a notice of the payment provider was heard before.
    #[must_use]
    pub fn notice(mut self, event_id: &str) -> Self {
        self.notice = Some(event_id.to_owned());
        self
    }

    pub(crate) fn addresses(&self, player: PlayerId) -> impl Iterator<Item = Address> {
        let one = [
            self.purchase.map(|receipt| keys::purchase(player, receipt)),
            self.package.as_deref().map(keys::package),
            self.promo.as_ref().map(|(package, code)| keys::promo(package, code)),
            self.notice.as_deref().map(keys::notice),
        ];
        let stock = self.stock.iter().flat_map(|(package, shards)| {
            (0..*shards).map(move |shard| keys::stock(package, shard))
        });
        one.into_iter().flatten().chain(stock)
    }
}

/// What there is of it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub purchase: Option<Purchase>,
    pub package: Option<Package>,
    pub shards: Vec<Shard>,
    pub promo: Option<Promo>,
    /// Of the notice that was heard: the hash of its body.
    pub notice: Option<String>,
}

/// A notice that was heard, and what it said.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeardNotice {
    pub body_hash: String,
}

impl Found {
    pub(crate) fn add(&mut self, found: Item) -> Result<()> {
        match item::entity(&found) {
            Some("purchase") => self.purchase = Some(item::decode(found)?),
            Some("package") => self.package = Some(item::decode(found)?),
            Some("stock") => self.shards.push(item::decode(found)?),
            Some("promo") => self.promo = Some(item::decode(found)?),
            Some("notice") => {
                self.notice = Some(item::decode::<HeardNotice>(found)?.body_hash);
            }
            _ => {}
        }
        Ok(())
    }
}
