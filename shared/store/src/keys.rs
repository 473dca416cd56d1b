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
//! | the webhook endpoints, all together | `WEBHOOKS/ENDPOINTS` | `GetItem`; written within the commit, or by `PutItem` |
//! | a webhook's delivery | `WEBHOOK#endpoint#shard/event` | `GetItem`, `PutItem` |
//! | an endpoint's deliveries, newest first | `WEBHOOK#endpoint#shard/…` of every shard | `Query` each |
//! | an endpoint's failed deliveries, newest first | `WEBHOOKFAILED#endpoint/…` | `Query` |
//!
//! The descending query depends on the order of a player's sort keys:
//! everything that is not read with the state sorts **before** `ENTRY#`
//! (`AUTH#…`, `CONNECTION#…`), and `ENTRY#… < STATE < VIEW#…`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{OnceKey, PlayerId, WebhookEndpointId, webhook::DeliveryId};

pub type Key = HashMap<String, AttributeValue>;

pub const PK: &str = "pk";
pub const SK: &str = "sk";
/// Lowest sort key of what a screen reads.
pub const ENTRY_PREFIX: &str = "ENTRY#";
/// Above every entry, below everything else.
pub const AFTER_ENTRIES: &str = "ENTRY#~";
/// Above every sort key of a player.
pub const AFTER_ALL: &str = "~";
pub const CONNECTION_PREFIX: &str = "CONNECTION#";
pub const STATE: &str = "STATE";
pub const STATS_VIEW: &str = "VIEW#stats";
pub const CREDENTIAL: &str = "AUTH#CREDENTIAL";

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

pub fn credential(id: PlayerId) -> Address {
    Address::new(player(id), CREDENTIAL)
}

pub fn once(player: PlayerId, key: &OnceKey) -> Address {
    let pk = match key {
        OnceKey::Header(key) => format!("ONCE#KEY#{player}#{key}"),
        OnceKey::Anonymous(key) => format!("ONCE#ANONYMOUS#{key}"),
        OnceKey::Natural(key) => format!("ONCE#NATURAL#{key}"),
    };
    Address::new(pk, "ONCE")
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

/// An item that never exists.
pub fn probe() -> Address {
    Address::new("PROBE".to_owned(), "PROBE")
}

pub fn roster(shard: u8, id: PlayerId) -> Address {
    Address::new(roster_pk(shard), id.to_string())
}

pub fn roster_pk(shard: u8) -> String {
    format!("ROSTER#{shard:02}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_players_sort_keys_are_in_the_order_the_screen_query_depends_on() {
        let id = PlayerId::from_bytes([1; 16]);
        let below = [credential(id).sk, connection(id, "zzz=").sk];
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
