//! The fraud audit: every decision, for ever, and lists of them by time.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use domain::{
    AttemptId, PlayerId,
    fraud::{Action, Assessment},
};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::by_key;
use crate::{
    Store, boxed,
    error::{Error, Result, classify, if_condition_held},
    item, keys,
    newest::Newest,
};

/// Listings of one player that are looked at for a page, however few of them are of
/// the action that is asked for.
const LOOKED_AT: usize = 200;

/// Items that one `BatchGetItem` takes.
const MOST_AT_ONCE: usize = 100;

/// Which decisions a list is of.
#[derive(Clone, Copy, Debug, Default)]
pub struct FraudFilter {
    pub player: Option<PlayerId>,
    pub action: Option<Action>,
}

/// A decision in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listing {
    attempt: AttemptId,
    at: Timestamp,
    action: Action,
}

/// A page of one partition: the listings with their places, newest first, and whether
/// there are more.
type Listed = (Vec<(String, Listing)>, bool);

impl Store {
    /// Puts the decision into the lists. To be done before it is stored.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn list_fraud_decision(&self, assessment: &Assessment) -> Result<()> {
        let Assessment { attempt, player, at, decision, .. } = assessment;
        let listing = Listing { attempt: *attempt, at: *at, action: decision.action };
        let place = keys::fraud_place(*at, *attempt);
        let shard = shard(*attempt);
        let lists = [
            keys::fraud_list_of_player(*player),
            keys::fraud_list_of_action(decision.action, shard),
        ];
        try_join_all(lists.into_iter().map(|list| {
            let (listing, address) = (listing.clone(), keys::in_fraud_list(list, &place));
            async move {
                self.client
                    .put_item()
                    .table_name(&*self.table)
                    .set_item(Some(item::encode(address, "fraud_listing", listing)?))
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .send()
                    .await
                    .map_err(classify)
            }
        }))
        .await
        .map(drop)
    }

    /// Stores a decision that is in the lists already, unless the attempt has one:
    /// then that is the one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn store_fraud_decision(&self, assessment: Assessment) -> Result<Assessment> {
        let address = keys::fraud_decision(assessment.attempt);
        let answer = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item::encode(address, "fraud_decision", &assessment)?))
            .condition_expression("attribute_not_exists(pk)")
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match if_condition_held(answer)? {
            Some(_) => Ok(assessment),
            None => self.fraud_decision(assessment.attempt).await,
        }
    }

    /// The decision on an attempt that has one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it has none, [`Error::Unavailable`].
    #[boxed]
    pub async fn fraud_decision(&self, attempt: AttemptId) -> Result<Assessment> {
        let address = keys::fraud_decision(attempt);
        let found = self.get(std::slice::from_ref(&address)).await?.pop();
        item::decode(found.ok_or_else(|| Error::Corrupt {
            pk: address.pk,
            sk: address.sk,
            source: "an attempt that was decided has no decision".into(),
        })?)
    }

    /// Decisions, newest first, before the place `before`; and the place after which
    /// there may be more. A page may hold fewer than `limit` and still have a next one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    #[boxed]
    pub async fn fraud_decisions(
        &self,
        filter: FraudFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Assessment>, Option<String>)> {
        let (listed, next) = self.listings(filter, before, limit).await?;
        if listed.is_empty() {
            return Ok((Vec::new(), next));
        }
        // Once each: requests that were sent twice at once may have listed theirs twice.
        let attempts: BTreeSet<_> = listed.iter().map(|(_, listing)| listing.attempt).collect();
        let wanted: Vec<_> = attempts.into_iter().map(keys::fraud_decision).collect();
        let found = try_join_all(wanted.chunks(MOST_AT_ONCE).map(|part| self.get(part))).await?;
        let mut found = by_key(found.concat());
        let mut decisions = Vec::with_capacity(listed.len());
        for (_, listing) in &listed {
            let address = keys::fraud_decision(listing.attempt);
            let Some(stored) = found.get(&address.pk) else { continue };
            let decision: Assessment = item::decode(stored.clone())?;
            if decision.at == listing.at && decision.decision.action == listing.action {
                found.remove(&address.pk);
                decisions.push(decision);
            }
        }
        Ok((decisions, next))
    }

    async fn listings(
        &self,
        filter: FraudFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, Listing)>, Option<String>)> {
        let (lists, most) = match filter {
            FraudFilter { player: Some(player), action: Some(_) } => {
                (vec![keys::fraud_list_of_player(player)], LOOKED_AT)
            }
            FraudFilter { player: Some(player), action: None } => {
                (vec![keys::fraud_list_of_player(player)], limit)
            }
            FraudFilter { player: None, action } => {
                let actions =
                    Action::ALL.into_iter().filter(|one| action.is_none_or(|a| a == *one));
                let of = |action| {
                    (0..keys::FRAUD_SHARDS)
                        .map(move |shard| keys::fraud_list_of_action(action, shard))
                };
                (actions.flat_map(of).collect(), limit)
            }
        };
        let pages = lists.iter().map(|list| self.list_page(list, before, most));
        let pages: Vec<Listed> = try_join_all(pages).await?;
        // Where a partition's page ends, nothing is known of what comes after: of the
        // others only what is newer can be told in order.
        let known_from = pages.iter().filter(|(_, more)| *more);
        let known_from = known_from.filter_map(|(page, _)| page.last()).map(|(place, _)| place);
        let known_from = known_from.max().cloned();
        let mut all: Vec<_> = pages.into_iter().flat_map(|(page, _)| page).collect();
        all.sort_by(|(a, _), (b, _)| b.cmp(a));
        if let Some(place) = &known_from {
            all.retain(|(other, _)| other >= place);
        }
        let looked_at = all.last().map(|(place, _)| place.clone());
        let mut chosen: Vec<_> = all
            .into_iter()
            .filter(|(_, listing)| filter.action.is_none_or(|action| action == listing.action))
            .collect();
        let cut = chosen.len() > limit;
        chosen.truncate(limit);
        let next = if cut {
            chosen.last().map(|(place, _)| place.clone())
        } else {
            known_from.and(looked_at)
        };
        Ok((chosen, next))
    }

    async fn list_page(&self, list: &str, before: Option<&str>, most: usize) -> Result<Listed> {
        let Newest { items, more } = self.newest(list, before, most).await?;
        let mut page = Vec::new();
        for found in items {
            let place = item::sk(&found).unwrap_or_default().to_owned();
            page.push((place, item::decode(found)?));
        }
        Ok((page, more))
    }
}

/// The partition of an attempt, whose id is a hash.
fn shard(attempt: AttemptId) -> u8 {
    attempt.uuid().as_bytes()[15] % keys::FRAUD_SHARDS
}
