//! Every key of the table.
//!
//! | access pattern | key | call |
//! |---|---|---|
//! | state for a decision, and whether its key was used | `PLAYER#id/STATE`, `ONCE#…/ONCE` | one `BatchGetItem` |
//! | commit | the same, `PLAYER#id/ENTRY#seq`, and what the plan adds | one `TransactWriteItems` |
//! | a screen: views, state, newest entries | `PLAYER#id`, from `VIEW~` down to `ENTRY#` | one descending `Query` |
//! | history, socket resume, folding a gap | `PLAYER#id/ENTRY#…` | `Query` |
//! | a stored answer | `PLAYER#id/ENTRY#seq` | `GetItem` |
//! | login by site id or nickname | `SITE#name/SITE`, `NICK#name/NICK` | one `BatchGetItem` |
//! | password and state of a login | `PLAYER#id/AUTH#CREDENTIAL`, `PLAYER#id/STATE` | one `BatchGetItem` |
//! | recent guesses at an account's password, or from an address | `ATTEMPTS#…/ATTEMPTS` | with the names; `PutItem` |
//! | an invite code | `INVITE#code/INVITE` | `GetItem`; used within the commit |
//! | a player's sockets | `PLAYER#id/CONNECTION#…` | `Query` |
//! | whose socket is this | `SOCKET#connection/SOCKET` | `GetItem` |
//! | a socket ticket, used once | `TICKET#ticket/TICKET` | `PutItem`, `UpdateItem` |
//! | all players, for scheduled work | `ROSTER#shard/…` | `Query` |
//! | who was erased within a month, of whom something may have to be published | `DEPARTED#shard/…` | `Query`; put within the commit |
//! | who was there lately, and did what | `ACTIVE#shard/…` | `Query`; `GetItem`, `PutItem` |
//! | what the daily look at the event store says of a player | `SEGMENT#player/SEGMENT` | `GetItem`, `PutItem` |
//! | a player's purchases, newest first; one of them | `PLAYER#id/BUY#receipt` | `Query`; with the state, written within the commit |
//! | units of a package that count against a player's cap | `PLAYER#id/CAP#package` | within the commit; `BatchGetItem` |
//! | open purchases whose time has come | `DUE#shard/instant#receipt` | `Query`; written within the commit |
//! | limited packages; one of them | `LIMITED/code` | `Query`; `BatchGetItem` |
//! | the stock of a package | `STOCK#package#shard/STOCK` | with the state, written within the commit |
//! | a promo code | `PROMO#package#code/PROMO` | with the state, written within the commit |
//! | a notice of the payment provider that was heard | `NOTICE#event/NOTICE` | with the state, written within the commit |
//! | a nonce of the payment provider that was used | `NONCE#kid#nonce/NONCE` | `PutItem` |
//! | what is known of a purchase with money | `FRAUD#SIGHTINGS#address or device/SIGHTINGS`, `FRAUD#PAYMENTS#player/PAYMENTS`, `FRAUD#RULES/IN-FORCE`, `FRAUD#DECISION#attempt/DECISION` | one `BatchGetItem`; `PutItem` each |
//! | fraud rules, and older ones | `FRAUD#RULES/IN-FORCE`, `FRAUD#RULES/VERSION#n` | one `BatchGetItem`; put within the commit |
//! | fraud decisions of a player, or of an action, newest first | `FRAUD#OF-PLAYER#id/time#attempt`, `FRAUD#OF-ACTION#action#shard/time#attempt`, then `FRAUD#DECISION#…` | `Query` each, one `BatchGetItem` |
//! | a player's mail address, and one that waits to be confirmed | `PLAYER#id/AUTH#EMAIL`, `PLAYER#id/AUTH#EMAIL#PENDING` | one `Query` |
//! | how far the mail about an entry is | `MAIL#player#seq/MAIL` | `PutItem` |
//! | the webhook endpoints, all together | `WEBHOOKS/ENDPOINTS` | `GetItem`; written within the commit, or by `PutItem` |
//! | a webhook's delivery | `WEBHOOK#endpoint#shard/event` | `GetItem`, `PutItem` |
//! | an endpoint's deliveries, newest first | `WEBHOOK#endpoint#shard/…` of every shard | `Query` each |
//! | an endpoint's failed deliveries, newest first | `WEBHOOKFAILED#endpoint/…` | `Query` |
//! | how far a player's journal is published | `PUBLISHED#player/PUBLISHED` | `PutItem`; with the states, `BatchGetItem` |
//! | journal records that could not be published, newest first; one of them | `DEADLETTERS/id` | `Query`; `GetItem`, `PutItem`, deleted within the commit |
//!
//! The descending query depends on the order of a player's sort keys:
//! everything that is not read with the state sorts **before** `ENTRY#`
//! (`AUTH#…`, `BUY#…`, `CAP#…`, `CONNECTION#…`), and `ENTRY#… < STATE < VIEW#…`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    AttemptId, DeadLetterId, OnceKey, PlayerId, ReceiptId, WebhookEndpointId, fraud::Action,
    webhook::DeliveryId,
};
use jiff::Timestamp;

pub type Key = HashMap<String, AttributeValue>;

pub const PK: &str = "pk";
pub const SK: &str = "sk";
/// Lowest sort key of what a screen reads.
pub const ENTRY_PREFIX: &str = "ENTRY#";
/// Above every entry, below everything else.
pub const AFTER_ENTRIES: &str = "ENTRY#~";
/// Above every sort key.
pub const AFTER_ALL: &str = "~";
pub const PURCHASE_PREFIX: &str = "BUY#";
/// Above every purchase.
pub const AFTER_PURCHASES: &str = "BUY#~";
pub const CONNECTION_PREFIX: &str = "CONNECTION#";
/// The one partition of limited packages: a few at a time.
pub const LIMITED: &str = "LIMITED";
/// The one partition of dead letters: few, and none at all when all is well.
pub const DEAD_LETTERS: &str = "DEADLETTERS";
const PUBLISHED_PREFIX: &str = "PUBLISHED#";
pub const STATE: &str = "STATE";
pub const ONCE: &str = "ONCE";
pub const STATS_VIEW: &str = "VIEW#stats";
pub const CREDENTIAL: &str = "AUTH#CREDENTIAL";
pub const EMAIL: &str = "AUTH#EMAIL";
pub const PENDING_EMAIL: &str = "AUTH#EMAIL#PENDING";

/// Both halves of a primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub pk: String,
    pub sk: String,
}

impl Address {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    /// The address as the SDK takes keys.
    pub fn key(&self) -> Key {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }
}

pub fn player(id: PlayerId) -> String {
    format!("PLAYER#{id}")
}

pub fn player_of(pk: &str) -> Option<PlayerId> {
    pk.strip_prefix("PLAYER#")?.parse().ok()
}

pub fn state(id: PlayerId) -> Address {
    Address::new(player(id), STATE)
}

pub fn entry(id: PlayerId, seq: u64) -> Address {
    Address::new(player(id), entry_sk(seq))
}

pub fn entry_sk(seq: u64) -> String {
    format!("{ENTRY_PREFIX}{seq:016}")
}

pub fn seq_of(sk: &str) -> Option<u64> {
    sk.strip_prefix(ENTRY_PREFIX)?.parse().ok()
}

pub fn stats_view(id: PlayerId) -> Address {
    Address::new(player(id), STATS_VIEW)
}

pub fn published(id: PlayerId) -> Address {
    Address::new(format!("{PUBLISHED_PREFIX}{id}"), "PUBLISHED")
}

pub fn published_of(pk: &str) -> Option<PlayerId> {
    pk.strip_prefix(PUBLISHED_PREFIX)?.parse().ok()
}

pub fn credential(id: PlayerId) -> Address {
    Address::new(player(id), CREDENTIAL)
}

pub fn email(id: PlayerId) -> Address {
    Address::new(player(id), EMAIL)
}

pub fn pending_email(id: PlayerId) -> Address {
    Address::new(player(id), PENDING_EMAIL)
}

pub fn mail(player: PlayerId, seq: u64) -> Address {
    Address::new(format!("MAIL#{player}#{seq}"), "MAIL")
}

pub fn once(player: PlayerId, key: &OnceKey) -> Address {
    let pk = match key {
        OnceKey::Header(key) => format!("ONCE#KEY#{player}#{key}"),
        OnceKey::Anonymous(key) => format!("ONCE#ANONYMOUS#{key}"),
        OnceKey::Natural(key) => format!("ONCE#NATURAL#{key}"),
    };
    Address::new(pk, ONCE)
}

/// Site ids are unique whatever their case.
pub fn site(site_id: &str) -> Address {
    Address::new(format!("SITE#{}", site_id.to_lowercase()), "SITE")
}

/// Nicknames are unique whatever their case.
pub fn nickname(nickname: &str) -> Address {
    Address::new(format!("NICK#{}", nickname.to_lowercase()), "NICK")
}

pub fn invite(code: &str) -> Address {
    Address::new(format!("INVITE#{code}"), "INVITE")
}

pub fn attempts(guesser: &str) -> Address {
    Address::new(format!("ATTEMPTS#{guesser}"), "ATTEMPTS")
}

pub fn connection(id: PlayerId, connection: &str) -> Address {
    Address::new(player(id), format!("{CONNECTION_PREFIX}{connection}"))
}

pub fn socket(connection: &str) -> Address {
    Address::new(format!("SOCKET#{connection}"), "SOCKET")
}

pub fn ticket(ticket: &str) -> Address {
    Address::new(format!("TICKET#{ticket}"), "TICKET")
}

pub fn purchase(id: PlayerId, receipt: ReceiptId) -> Address {
    Address::new(player(id), format!("{PURCHASE_PREFIX}{receipt}"))
}

pub fn cap(id: PlayerId, package: &str) -> Address {
    Address::new(player(id), format!("CAP#{package}"))
}

/// Instants are of equal length until the year 2286, so text sorts as time does.
pub fn due(shard: u8, at: Timestamp, receipt: ReceiptId) -> Address {
    Address::new(due_pk(shard), format!("{}#{receipt}", due_sk(at)))
}

pub fn due_pk(shard: u8) -> String {
    format!("DUE#{shard:02}")
}

pub fn due_sk(at: Timestamp) -> String {
    format!("{:013}", at.as_millisecond())
}

pub fn package(code: &str) -> Address {
    Address::new(LIMITED.to_owned(), code)
}

pub fn stock(package: &str, shard: u16) -> Address {
    Address::new(format!("STOCK#{package}#{shard:02}"), "STOCK")
}

pub fn promo(package: &str, code: &str) -> Address {
    Address::new(format!("PROMO#{package}#{code}"), "PROMO")
}

pub fn notice(event_id: &str) -> Address {
    Address::new(format!("NOTICE#{event_id}"), "NOTICE")
}

/// A key's name has no `#`, so whatever is in the nonce, two are never one.
pub fn nonce(kid: &str, nonce: &str) -> Address {
    Address::new(format!("NONCE#{kid}#{nonce}"), "NONCE")
}

/// An item that never exists.
pub fn probe() -> Address {
    Address::new("PROBE".to_owned(), "PROBE")
}

pub fn roster(shard: u8, id: PlayerId) -> Address {
    Address::new(roster_pk(shard), id.to_string())
}

pub fn departed(shard: u8, id: PlayerId) -> Address {
    Address::new(departed_pk(shard), id.to_string())
}

pub fn departed_pk(shard: u8) -> String {
    format!("DEPARTED#{shard:02}")
}

pub fn roster_pk(shard: u8) -> String {
    format!("ROSTER#{shard:02}")
}

pub fn segment(id: PlayerId) -> Address {
    Address::new(format!("SEGMENT#{id}"), "SEGMENT")
}

/// What a player did of late.
pub fn activity(id: PlayerId) -> Address {
    Address::new(active_pk(active_shard(id)), id.to_string())
}

/// That a player has a socket that says that it is there.
pub fn presence(id: PlayerId) -> Address {
    Address::new(active_pk(active_shard(id)), format!("{id}#SOCKET"))
}

pub fn active_pk(shard: u8) -> String {
    format!("ACTIVE#{shard:02}")
}

/// By the last byte of the id, which is random.
fn active_shard(id: PlayerId) -> u8 {
    id.uuid().as_bytes()[15] % crate::ACTIVE_SHARDS
}

/// Attempts at paying that came from one address or device.
pub fn fraud_sightings(name: &str) -> Address {
    Address::new(format!("FRAUD#SIGHTINGS#{name}"), "SIGHTINGS")
}

/// A player's attempts at paying.
pub fn fraud_payments(player: PlayerId) -> Address {
    Address::new(format!("FRAUD#PAYMENTS#{player}"), "PAYMENTS")
}

pub fn fraud_decision(attempt: AttemptId) -> Address {
    Address::new(format!("FRAUD#DECISION#{attempt}"), "DECISION")
}

const FRAUD_RULES: &str = "FRAUD#RULES";
pub const FRAUD_RULES_IN_FORCE: &str = "IN-FORCE";

pub fn fraud_rules_in_force() -> Address {
    Address::new(FRAUD_RULES.to_owned(), FRAUD_RULES_IN_FORCE)
}

pub fn fraud_rules(version: u32) -> Address {
    Address::new(FRAUD_RULES.to_owned(), format!("VERSION#{version:010}"))
}

/// Partitions of an action's list. Two take twice the thousand writes a second that
/// one takes, which is as much as the API lets through.
pub const FRAUD_SHARDS: u8 = 2;

pub fn fraud_list_of_player(player: PlayerId) -> String {
    format!("FRAUD#OF-PLAYER#{player}")
}

pub fn fraud_list_of_action(action: Action, shard: u8) -> String {
    format!("FRAUD#OF-ACTION#{}#{shard}", action.as_str())
}

/// Where a decision stands in a list: in the order of time.
pub fn fraud_place(at: Timestamp, attempt: AttemptId) -> String {
    format!("{:015}#{attempt}", at.as_millisecond())
}

pub fn in_fraud_list(list: String, place: &str) -> Address {
    Address::new(list, place)
}

/// The one item of all webhook endpoints.
pub fn webhooks() -> Address {
    Address::new("WEBHOOKS".to_owned(), "ENDPOINTS")
}

/// Partitions that an endpoint's deliveries are spread over: an endpoint that is told
/// of everything gets as many writes as a busy player each.
pub const WEBHOOK_SHARDS: u8 = 4;

/// By the last byte of the event's hash. Sort keys are in order of time.
pub fn webhook_delivery(id: DeliveryId) -> Address {
    let shard = id.event.as_bytes()[15] % WEBHOOK_SHARDS;
    Address::new(webhook_deliveries(id.endpoint, shard), id.event.to_string())
}

pub fn webhook_deliveries(endpoint: WebhookEndpointId, shard: u8) -> String {
    format!("WEBHOOK#{endpoint}#{shard}")
}

pub fn webhook_failed(id: DeliveryId) -> Address {
    Address::new(webhook_failures(id.endpoint), id.event.to_string())
}

pub fn webhook_failures(endpoint: WebhookEndpointId) -> String {
    format!("WEBHOOKFAILED#{endpoint}")
}

pub fn dead_letter(id: DeadLetterId) -> Address {
    Address::new(DEAD_LETTERS.to_owned(), id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_players_sort_keys_are_in_the_order_the_screen_query_depends_on() {
        let id = PlayerId::from_bytes([1; 16]);
        let receipt = ReceiptId::from_bytes([0xff; 16]);
        let below = [
            credential(id).sk,
            purchase(id, receipt).sk,
            cap(id, "zzz").sk,
            email(id).sk,
            pending_email(id).sk,
            connection(id, "zzz=").sk,
        ];
        assert!(below.iter().all(|sk| sk.as_str() < ENTRY_PREFIX));
        let read = [
            ENTRY_PREFIX.to_owned(),
            entry_sk(1),
            entry_sk(9),
            entry_sk(10),
            AFTER_ENTRIES.to_owned(),
            STATE.to_owned(),
            STATS_VIEW.to_owned(),
            AFTER_ALL.to_owned(),
        ];
        // Both addresses are one range, with nothing else in it.
        assert!(EMAIL < PENDING_EMAIL && !(EMAIL..=PENDING_EMAIL).contains(&CREDENTIAL));
        assert!(read.is_sorted_by(|a, b| a < b), "{read:?}");
    }

    #[test]
    fn addresses_read_back() {
        let id = PlayerId::from_bytes([1; 16]);
        let address = entry(id, 42);
        assert_eq!(player_of(&address.pk), Some(id));
        assert_eq!(seq_of(&address.sk), Some(42));
        assert_eq!(seq_of(STATE), None);
    }

    #[test]
    fn names_differing_in_case_are_one_name() {
        assert_eq!(site("Ångström"), site("ångSTRÖM"));
        assert_eq!(nickname("Jimin"), nickname("JIMIN"));
    }
}
