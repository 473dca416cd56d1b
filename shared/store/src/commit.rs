//! The one caller of `TransactWriteItems`.

mod shop;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, CancellationReason, Delete, Put, ReturnConsumedCapacity,
        ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, builders::PutBuilder,
    },
};
use domain::{Change, Once, Plan, PlayerId, Rejection, fraud::Rules};
use jiff::Timestamp;

use crate::{
    Store,
    email::StoredEmail,
    error::{Error, Result},
    fraud::StoredRules,
    item::{self, Item, Owner, Pointer},
    keys::{self, Address},
    login::StoredCredential,
    roster, webhook,
};

/// How a transaction ended.
#[derive(Debug)]
pub enum Outcome {
    /// It happened.
    Committed,
    /// The idempotency key was used: by an earlier attempt, or by another request.
    Duplicate(Pointer),
    /// A condition of the plan's own did not hold; nothing changed.
    Refused(Rejection),
    /// Look again: the state moved, someone else is writing, the table is busy,
    /// or nobody knows whether it happened. The idempotency key tells.
    Again(Cause),
}

/// Why to look again. Only the last one matters, and only for the report.
#[derive(Debug)]
pub enum Cause {
    /// The state is newer than the one decided on, or another transaction holds it.
    Moved,
    /// Throttled, timed out, cut off or failed inside: the outcome may be unknown.
    Unanswered(Box<dyn std::error::Error + Send + Sync>),
}

/// What an item of the transaction is for: cancellation reason *i* belongs to
/// purpose *i*.
#[derive(Debug)]
enum Purpose {
    /// State, entry, purchase or stock: fails when it is not as it was decided on.
    Version,
    /// The idempotency pointer.
    Once,
    /// A name or another condition with a rejection of its own.
    Rule(Rejection),
    /// Cannot fail.
    Free,
}

impl Store {
    /// Writes the plan, all or nothing.
    ///
    /// # Errors
    /// [`Error::Refused`] when the request itself was wrong.
    #[expect(clippy::disallowed_methods, reason = "the one place that writes transactions")]
    pub(crate) async fn commit(&self, plan: &Plan) -> Result<Outcome> {
        let (purposes, items) = self.transaction(plan)?;
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Outcome::Committed),
            Err(error) => outcome_of(error, &purposes),
        }
    }

    fn transaction(&self, plan: &Plan) -> Result<(Vec<Purpose>, Vec<TransactWriteItem>)> {
        let (entry, after) = (plan.entry(), plan.after());
        let mut parts = vec![
            (Purpose::Version, self.put_state(plan)?),
            (Purpose::Version, self.put_new(item::encode_entry(entry)?)?),
        ];
        if let Some(once) = &entry.once {
            parts.push((Purpose::Once, self.put_pointer(entry.player, entry.seq, once)?));
        }
        for change in plan.changes() {
            parts.extend(self.write(after.id, entry.at, change)?);
        }
        Ok(parts.into_iter().unzip())
    }

    fn put_state(&self, plan: &Plan) -> Result<TransactWriteItem> {
        let before = plan.entry().seq - 1;
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item::encode_state(plan.after())?));
        if before == 0 {
            return build(put.condition_expression("attribute_not_exists(pk)"));
        }
        build(
            put.condition_expression("#version = :before")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":before", AttributeValue::N(before.to_string())),
        )
    }

    fn put_pointer(&self, player: PlayerId, seq: u64, once: &Once) -> Result<TransactWriteItem> {
        let pointer = Pointer { player, seq, request_hash: once.request_hash.clone() };
        build(
            Put::builder()
                .table_name(&*self.table)
                .set_item(Some(item::encode(keys::once(player, &once.key), "once", pointer)?))
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                ),
        )
    }

    /// The items of a change: one each, besides a package with its stock, and who leaves.
    fn write(
        &self,
        player: PlayerId,
        at: Timestamp,
        change: &Change,
    ) -> Result<Vec<(Purpose, TransactWriteItem)>> {
        let owner = Owner { player };
        Ok(vec![match change {
            Change::ReserveSiteId { site_id } => (
                Purpose::Rule(Rejection::SiteIdTaken),
                self.put_new(item::encode(keys::site(site_id), "site", owner)?)?,
            ),
            Change::ReserveNickname { nickname } => (
                Purpose::Rule(Rejection::NicknameTaken),
                self.put_new(item::encode(keys::nickname(nickname), "nickname", owner)?)?,
            ),
            Change::StoreCredential { credential } => {
                let body = StoredCredential {
                    password_hash: credential.password_hash.0.clone(),
                    set_by: credential.set_by,
                    devices: credential.devices.clone(),
                };
                (
                    Purpose::Free,
                    self.put(item::encode(keys::credential(player), "credential", body)?)?,
                )
            }
            Change::ReleaseSiteId { site_id } => {
                (Purpose::Free, self.release(&keys::site(site_id), player)?)
            }
            Change::ReleaseNickname { nickname } => {
                (Purpose::Free, self.release(&keys::nickname(nickname), player)?)
            }
            Change::DropCredential => (Purpose::Free, self.delete(&keys::credential(player))?),
            Change::Enroll => {
                let address = keys::roster(roster::shard(player), player);
                (Purpose::Free, self.put(item::encode(address, "roster", owner)?)?)
            }
            Change::Retire => {
                let shard = roster::shard(player);
                let departed = self.put(roster::departed(player, at)?)?;
                return Ok(vec![
                    (Purpose::Free, self.delete(&keys::roster(shard, player))?),
                    (Purpose::Free, departed),
                ]);
            }
            Change::IssueInvite { invite } => (
                Purpose::Rule(Rejection::InviteCodeExists),
                self.put_new(item::encode(keys::invite(&invite.code), "invite", invite)?)?,
            ),
            Change::UseInvite { code, now } => {
                (Purpose::Rule(Rejection::InvalidInviteCode), self.use_invite(code, *now)?)
            }
            Change::OfferPackage { package } => return self.offer_package(package),
            Change::BeginPurchase { purchase } => self.begin_purchase(purchase)?,
            Change::AdvancePurchase { from, purchase } => self.advance_purchase(*from, purchase)?,
            Change::Watch { receipt, due_at } => self.watch(player, *receipt, *due_at)?,
            Change::Unwatch { receipt, due_at } => self.unwatch(*receipt, *due_at)?,
            Change::RememberNotice { event_id, body_hash } => {
                self.note_notice(event_id, body_hash)?
            }
            Change::IssuePromo { promo } => self.issue_promo(promo)?,
            Change::TakeStock { package, taken, sold } => {
                self.take_stock(package, *taken, *sold)?
            }
            Change::SettleStock { package, taken, sold } => {
                self.settle_stock(package, *taken, *sold)?
            }
            Change::CountTowardsCap { package, units, cap } => {
                self.count_towards_cap(player, package, *units, *cap)?
            }
            Change::DiscountFromCap { package, units } => {
                self.discount_from_cap(player, package, *units)?
            }
            Change::UsePromo { package, code } => self.use_promo(package, code)?,
            Change::ReturnPromo { package, code } => self.return_promo(package, code)?,
            Change::RecordFraudDecision { assessment } => {
                let address = keys::fraud_decision(assessment.attempt);
                (
                    Purpose::Rule(Rejection::FraudAlreadyDecided),
                    self.put_new(item::encode(address, "fraud_decision", assessment)?)?,
                )
            }
            Change::KeepFraudRules { rules } => {
                let (address, body) = (keys::fraud_rules(rules.version()), StoredRules::of(rules)?);
                (
                    Purpose::Rule(Rejection::FraudRulesMoved),
                    self.put_new(item::encode(address, "fraud_rules", body)?)?,
                )
            }
            Change::ActivateFraudRules { rules } => {
                (Purpose::Rule(Rejection::FraudRulesMoved), self.activate_fraud_rules(rules)?)
            }
            Change::StorePendingEmail { email } => {
                let body = StoredEmail::pending(email);
                (
                    Purpose::Free,
                    self.put(item::encode(keys::pending_email(player), "pending_email", body)?)?,
                )
            }
            Change::TakePendingEmail { requested_by } => (
                Purpose::Rule(Rejection::EmailNotPending),
                self.take_pending_email(player, *requested_by)?,
            ),
            Change::StoreEmail { email } => {
                let body = StoredEmail::confirmed(email);
                (Purpose::Free, self.put(item::encode(keys::email(player), "email", body)?)?)
            }
            Change::DropEmail => (Purpose::Free, self.delete(&keys::email(player))?),
            Change::DropPendingEmail => (Purpose::Free, self.delete(&keys::pending_email(player))?),
            Change::SaveWebhooks { directory } => (
                Purpose::Rule(Rejection::WebhooksMoved),
                self.put_after(
                    webhook::encode_directory(directory)?,
                    "version",
                    directory.version,
                )?,
            ),
            Change::ReplayDelivery { delivery } => (
                Purpose::Rule(Rejection::WebhookDeliveryNotFailed),
                self.put_after(webhook::encode(delivery)?, "revision", delivery.revision)?,
            ),
            Change::UnlistFailedDelivery { id } => {
                (Purpose::Free, self.delete(&keys::webhook_failed(*id))?)
            }
            Change::EndDeadLetter { id } => (
                Purpose::Rule(Rejection::DeadLetterNotFound),
                self.delete_stored(&keys::dead_letter(*id))?,
            ),
        }])
    }

    /// Puts an item whose attribute `counter` counts its writes, as the one after the
    /// stored one; the first if there is none.
    fn put_after(&self, item: Item, counter: &str, count: u64) -> Result<TransactWriteItem> {
        let before = AttributeValue::N(count.saturating_sub(1).to_string());
        let put = Put::builder().table_name(&*self.table).set_item(Some(item));
        if count <= 1 {
            return build(put.condition_expression("attribute_not_exists(pk)"));
        }
        build(
            put.condition_expression("#counter = :before")
                .expression_attribute_names("#counter", counter)
                .expression_attribute_values(":before", before),
        )
    }

    fn put_new(&self, item: Item) -> Result<TransactWriteItem> {
        build(
            Put::builder()
                .table_name(&*self.table)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)"),
        )
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem> {
        build(Put::builder().table_name(&*self.table).set_item(Some(item)))
    }

    fn delete(&self, address: &Address) -> Result<TransactWriteItem> {
        let delete = Delete::builder().table_name(&*self.table).set_key(Some(address.key()));
        let delete = delete.build().map_err(|error| Error::Refused(Box::new(error)))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Deletes an item, which must be there.
    fn delete_stored(&self, address: &Address) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .set_key(Some(address.key()))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(|error| Error::Refused(Box::new(error)))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Gives a name back. The state it is read from is a condition of the same
    /// transaction, so the name is the player's own; that nobody else's can go
    /// with it does not hang on that alone.
    fn release(&self, address: &Address, player: PlayerId) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .set_key(Some(address.key()))
            .condition_expression("player = :player")
            .expression_attribute_values(":player", AttributeValue::S(player.to_string()))
            .build()
            .map_err(|error| Error::Refused(Box::new(error)))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Puts the rules in force in the place of the version before them.
    fn activate_fraud_rules(&self, rules: &Rules) -> Result<TransactWriteItem> {
        let body = StoredRules::of(rules)?;
        let item = item::encode(keys::fraud_rules_in_force(), "fraud_rules", body)?;
        let replaced = rules.version().saturating_sub(1);
        if replaced == 0 {
            return self.put_new(item);
        }
        build(
            Put::builder()
                .table_name(&*self.table)
                .set_item(Some(item))
                .condition_expression("#version = :replaced")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":replaced", AttributeValue::N(replaced.to_string())),
        )
    }

    fn take_pending_email(&self, player: PlayerId, requested_by: u64) -> Result<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .set_key(Some(keys::pending_email(player).key()))
            .condition_expression("requested_by = :requested_by")
            .expression_attribute_values(
                ":requested_by",
                AttributeValue::N(requested_by.to_string()),
            )
            .build()
            .map_err(|error| Error::Refused(Box::new(error)))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn use_invite(&self, code: &str, now: Timestamp) -> Result<TransactWriteItem> {
        let number = |number: i64| AttributeValue::N(number.to_string());
        let update = Update::builder()
            .update_expression("SET uses_left = uses_left - :one")
            .condition_expression("uses_left >= :one AND expires_at > :now")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":now", number(now.as_second()));
        self.update(&keys::invite(code), update)
    }
}

fn build(put: PutBuilder) -> Result<TransactWriteItem> {
    let put = put.build().map_err(|error| Error::Refused(Box::new(error)))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn outcome_of(error: SdkError<TransactWriteItemsError>, purposes: &[Purpose]) -> Result<Outcome> {
    let canceled = match &error {
        SdkError::ServiceError(service) => match service.err() {
            TransactWriteItemsError::TransactionCanceledException(canceled) => {
                Some(canceled.cancellation_reasons().to_vec())
            }
            TransactWriteItemsError::ResourceNotFoundException(_)
            | TransactWriteItemsError::IdempotentParameterMismatchException(_) => {
                return Err(Error::Refused(Box::new(error)));
            }
            other
                if matches!(
                    other.code(),
                    Some("ValidationException" | "AccessDeniedException")
                ) =>
            {
                return Err(Error::Refused(Box::new(error)));
            }
            _ => None,
        },
        SdkError::ConstructionFailure(_) => return Err(Error::Refused(Box::new(error))),
        _ => None,
    };
    let Some(reasons) = canceled else {
        return Ok(Outcome::Again(Cause::Unanswered(Box::new(error))));
    };
    match outcome_of_reasons(&reasons, purposes)? {
        Some(outcome) => Ok(outcome),
        None => Err(Error::Refused(Box::new(error))),
    }
}

/// What the reasons of a cancelled transaction amount to; `None` when they name
/// nothing that can be helped.
///
/// The idempotency pointer goes first: if the key was used, then the state has
/// moved as well, and the stored answer is the truth. Then the version: whoever took
/// the name may have been the player, who asked twice at once. Only what was decided
/// on the state as it still is can be refused.
fn outcome_of_reasons(
    reasons: &[CancellationReason],
    purposes: &[Purpose],
) -> Result<Option<Outcome>> {
    let mut moved = None;
    let mut rule = None;
    let mut again = None;
    for (reason, purpose) in reasons.iter().zip(purposes) {
        match (reason.code(), purpose) {
            (Some("ConditionalCheckFailed"), Purpose::Once) => {
                return Ok(Some(match reason.item() {
                    Some(found) => Outcome::Duplicate(item::decode(found.clone())?),
                    None => Outcome::Again(Cause::Moved),
                }));
            }
            (Some("ConditionalCheckFailed"), Purpose::Rule(rejection)) => {
                rule.get_or_insert(Outcome::Refused(rejection.clone()));
            }
            (Some("ConditionalCheckFailed"), Purpose::Version) => {
                moved = Some(Outcome::Again(Cause::Moved));
            }
            (Some("TransactionConflict"), _) => {
                again.get_or_insert(Outcome::Again(Cause::Moved));
            }
            (Some(code @ ("ThrottlingError" | "ProvisionedThroughputExceeded")), _) => {
                again.get_or_insert(Outcome::Again(Cause::Unanswered(code.into())));
            }
            _ => {}
        }
    }
    Ok(moved.or(rule).or(again))
}

#[cfg(test)]
mod tests;
