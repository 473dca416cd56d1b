//! The fraud rules: every version, and a copy of the one in force where every
//! attempt finds it.

use domain::fraud::{Document, Rules};
use serde::{Deserialize, Serialize};

use crate::{
    Store, boxed,
    error::{Error, Result},
    item::{self, Item},
    keys,
};

/// Fraud rules as they lie in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredRules {
    pub version: u32,
    /// As JSON, so that its size is what the document's bound says.
    pub document: String,
}

/// The rules in force, or an older version of them.
#[derive(Clone, Debug)]
pub struct FraudRules {
    pub rules: Rules,
    /// The version in force.
    pub in_force: u32,
}

impl StoredRules {
    pub fn of(rules: &Rules) -> Result<Self> {
        let document = serde_json::to_string(rules.document());
        let document = document.map_err(|error| Error::Refused(Box::new(error)))?;
        Ok(Self { version: rules.version(), document })
    }

    /// What was sound when it was put still is.
    fn rules(self) -> Result<Rules> {
        let address = keys::fraud_rules(self.version);
        let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| Error::Corrupt {
            pk: address.pk.clone(),
            sk: address.sk.clone(),
            source,
        };
        let document: Document =
            serde_json::from_str(&self.document).map_err(|error| corrupt(Box::new(error)))?;
        Rules::new(self.version, document)
            .map_err(|faults| corrupt(format!("these rules are not sound: {faults:?}").into()))
    }
}

/// The rules in force, from their item if there is one.
pub(super) fn in_force(found: Option<Item>) -> Result<Rules> {
    match found {
        Some(found) => item::decode::<StoredRules>(found)?.rules(),
        None => Ok(Rules::built_in().clone()),
    }
}

impl Store {
    /// The fraud rules of a version, or those in force; `None` when there is no such
    /// version. Version 0 is built in.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn fraud_rules(&self, version: Option<u32>) -> Result<Option<FraudRules>> {
        let mut wanted = vec![keys::fraud_rules_in_force()];
        wanted.extend(version.map(keys::fraud_rules));
        let (mut active, mut kept) = (None, None);
        for found in self.get(&wanted).await? {
            if item::sk(&found) == Some(keys::FRAUD_RULES_IN_FORCE) {
                active = Some(found);
            } else {
                kept = Some(found);
            }
        }
        let active = in_force(active)?;
        let in_force = active.version();
        let rules = match version {
            None => Some(active),
            Some(0) => Some(Rules::built_in().clone()),
            Some(_) => kept.map(|found| item::decode::<StoredRules>(found)?.rules()).transpose()?,
        };
        Ok(rules.map(|rules| FraudRules { rules, in_force }))
    }
}
