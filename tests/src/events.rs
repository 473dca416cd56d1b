//! Events as AWS sends them, from `tests/lambda/events/<function>/<case>.json`.
//!
//! The files are whole events. What depends on the stack stands in them as
//! `{{name}}`: a token, a player, an entry of their journal, or `{{unique}}`, which
//! is another word each time.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devstack::{Stack, seed::Seeding};
use domain::{Ctx, EmailAddress, Entry, Envelope, Fact, Role, SessionId, command::change_email};
use jiff::SignedDuration;
use runtime::{
    Clock, Entropy,
    command::once_by_nature,
    push::{Body, Message},
};
use serde_json::{Map, Value, json};
use store::{Decision, Subject};

use crate::{Api, Maker, Player, Table};

/// The events of one stack: about a player who has a socket open, and about the
/// journal of another who has signed up and spun once.
pub struct Events<'a> {
    stack: &'a Stack,
    api: Api,
    pub player: Player,
    /// Whose journal it is.
    pub other: Player,
    /// Of a round.
    envelope: Envelope,
    values: Map<String, Value>,
}

impl<'a> Events<'a> {
    /// Prepares both players.
    ///
    /// # Errors
    /// The journal does not hold what was just written.
    ///
    /// # Panics
    /// When the API refuses a player.
    pub async fn prepare(stack: &'a Stack) -> Result<Self> {
        let api = Api::new(&stack.base_url);
        let player = Player::sign_up(&api).await;
        let other = Player::sign_up(&api).await;
        other.spin(1, "the-first-round").send().await.ok();
        let mut values = Map::new();
        let mut known = |name: &str, value: &str| values.insert(name.to_owned(), json!(value));
        known("player", &player.id);
        // The other one's: sessions are few, and the ninth login ends the first one.
        known("site_id", &other.site_id);
        known("token", player.api.token().unwrap_or_default());
        let entries = stack.store("test").entries_after(other.id.parse()?, 0, 2).await?;
        for entry in &entries {
            let envelope = serde_json::to_vec(&domain::envelope(entry))?;
            let name = format!("envelope_{}_base64", entry.seq);
            known(&name, &BASE64_STANDARD.encode(envelope));
        }
        // Newer than any state, so that no socket takes it for known.
        let frame = json!({ "type": "profile_update", "seq": 1_000_000, "user_id": player.id,
            "timestamp": "2026-11-21T04:30:08Z", "data": { "changes": { "gold_balance": 1 } } });
        let message = Message { player: player.id.parse()?, body: Body::Frames(vec![frame]) };
        known("push_message_json", &serde_json::to_string(&message)?);
        let table = Table::of(stack);
        for seq in 1..=u64::try_from(entries.len())? {
            let item = table.entry(other.id.parse()?, seq).await;
            ensure!(item.is_object(), "entry {seq} is not in the table");
            let keys = json!({ "pk": item["pk"], "sk": item["sk"] });
            let record = json!({ "eventName": "INSERT", "dynamodb": { "Keys": keys } });
            let set_aside = json!({ "reason": "not an entry of that build", "record": record });
            values.insert("set_aside_json".to_owned(), json!(set_aside.to_string()));
            values.insert(format!("entry_{seq}"), item);
            values.insert(format!("entry_{seq}_keys"), keys);
        }
        values.insert("connection_id".to_owned(), json!(open_socket(stack, &player).await?));
        let envelope = domain::envelope(entries.last().context("the round")?);
        Ok(Self { stack, api, player, other, envelope, values })
    }

    /// The cases of a function, by its crate.
    ///
    /// # Errors
    /// It has none.
    pub fn cases(function: &str) -> Result<Vec<String>> {
        let directory = directory().join(function);
        let files = directory.read_dir().with_context(|| {
            format!("{function} has no event: put one into {}", directory.display())
        })?;
        let mut cases = Vec::new();
        for file in files {
            let path = file?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            cases.push(name.to_owned());
        }
        cases.sort();
        ensure!(cases.iter().any(|case| case == "typical"), "{function} has no typical event");
        Ok(cases)
    }

    /// An event, for one invocation.
    ///
    /// # Errors
    /// There is no such file, or it is not JSON, or it names what nobody knows.
    pub async fn event(&self, function: &str, case: &str) -> Result<Value> {
        let path = directory().join(function).join(case).with_extension("json");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if function == "projections" {
            self.forget_view().await?;
        }
        let fresh = self.fresh(function, &text).await?;
        let value = |name: &str| fresh.get(name).or_else(|| self.values.get(name)).cloned();
        let mut event = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        fill(&mut event, &value).with_context(|| path.display().to_string())?;
        Ok(event)
    }

    /// The values of one invocation only, as far as `text` asks for them.
    async fn fresh(&self, function: &str, text: &str) -> Result<Map<String, Value>> {
        static UNIQUE: AtomicU64 = AtomicU64::new(1);
        let number = UNIQUE.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{:x}x{number:x}", std::process::id());
        let mut fresh = Map::new();
        let mut put = |name: &str, value: Value| fresh.insert(name.to_owned(), value);
        if text.contains("{{fresh_token}}") {
            put("fresh_token", json!(Player::sign_up(&self.api).await.api.token()));
        }
        if text.contains("{{fresh_refresh_token}}") {
            let player = Player::sign_up(&self.api).await;
            put("fresh_refresh_token", json!(player.refresh_token));
        }
        if text.contains("{{admin_token}}") {
            let admin = Maker::new(self.stack, Clock::system()).await.player(Role::Admin).await;
            put("admin_token", json!(admin.api.token()));
        }
        if text.contains("{{seed_site_id}}") {
            put("seed_site_id", json!(self.seeded().await?));
        }
        if text.contains("{{in_a_month}}") {
            let month = SignedDuration::from_hours(30 * 24);
            put("in_a_month", json!(Clock::system().now().checked_add(month)?));
        }
        if text.contains("{{fresh_envelope_base64}}") {
            let mut envelope = self.envelope.clone();
            envelope.seq = 1000 + number;
            put(
                "fresh_envelope_base64",
                json!(BASE64_STANDARD.encode(serde_json::to_vec(&envelope)?)),
            );
        }
        if text.contains("{{mail_envelope_base64}}") {
            put("mail_envelope_base64", json!(self.mailed().await?));
        }
        if text.contains("{{ticket}}") {
            put("ticket", json!(self.player.ticket().await.1));
        }
        if text.contains("{{connection_id}}") && function == "socket-disconnect" {
            let (id, now) = (format!("d{unique}="), Clock::system().now());
            let subject = Subject::system(self.player.id.parse()?);
            self.stack.store("test").connect(subject, &id, now).await?;
            put("connection_id", json!(id));
        }
        put("unique", json!(unique));
        Ok(fresh)
    }

    /// A changed password, as an event about a new player who has a mail address.
    async fn mailed(&self) -> Result<String> {
        let player = Player::sign_up(&self.api).await;
        let (store, id) = (self.stack.store("test"), player.id.parse()?);
        let seed = Entropy::system().bytes();
        let ctx = Ctx { now: Clock::system().now(), seed, trace_id: "events".to_owned() };
        let address = EmailAddress::new(format!("{}@mail.example", player.site_id));
        let once = |step: &str| once_by_nature(format!("{step}:{id}"));
        let given = store.execute(Subject::system(id), once("given"), |state| {
            let plan = change_email::request(state, address.clone(), state.password_seq, &ctx)?;
            Ok(Decision { plan, answer: None })
        });
        given.await?;
        let pending = store.emails_of(id).await?.pending.context("the address waits")?;
        let confirmed = store.execute(Subject::system(id), once("confirmed"), |state| {
            Ok(Decision { plan: change_email::confirm(state, &pending, &ctx)?, answer: None })
        });
        let confirmed = confirmed.await?.entry;
        let fact = Fact::PasswordChanged { session: SessionId::from_bytes([2; 16]) };
        let changed = Entry { seq: confirmed.seq + 1, fact, ..confirmed };
        Ok(BASE64_STANDARD.encode(serde_json::to_vec(&domain::envelope(&changed))?))
    }

    /// A seed account that is there.
    async fn seeded(&self) -> Result<String> {
        let mut seeding = Seeding::asked_for(None, "dev")?;
        seeding.accounts.truncate(1);
        seeding.sow(&self.stack.store("test"), &Clock::system(), &Entropy::system()).await?;
        Ok(seeding.accounts.pop().context("a seed account")?.site_id)
    }

    /// Makes the events of the journal news again for who keeps the statistics.
    async fn forget_view(&self) -> Result<()> {
        let table = self.stack.spec().tables.first().context("a table")?.name.clone();
        let key = json!({ "pk": { "S": format!("PLAYER#{}", self.other.id) }, "sk": { "S": "VIEW#stats" } });
        let request = serde_json::from_value(json!({ "TableName": table, "Key": key }))?;
        let done = self.stack.engine().with_database(move |database| database.delete_item(request));
        done.await.map(drop).map_err(|error| anyhow::anyhow!("{error}"))
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lambda/events")
}

/// Puts values in place of their names, in every text of `event`.
fn fill(event: &mut Value, value: &impl Fn(&str) -> Option<Value>) -> Result<()> {
    match event {
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, value)),
        Value::Object(members) => members.values_mut().try_for_each(|item| fill(item, value)),
        Value::String(text) => {
            while let Some((before, rest)) = text.split_once("{{") {
                let (name, after) = rest.split_once("}}").context("{{ without }}")?;
                let value = value(name).with_context(|| format!("nobody knows {name}"))?;
                let Value::String(inner) = &value else {
                    *event = value;
                    return Ok(());
                };
                *text = format!("{before}{inner}{after}");
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An item of the player's journal, as DynamoDB writes it.
/// Opens the player's socket and reads what comes for as long as it is open; its
/// connection id. The socket counts as greeted, whether or not triggers run.
async fn open_socket(stack: &Stack, player: &Player) -> Result<String> {
    let mut socket = player.socket().await;
    tokio::spawn(async move { while socket.next_or_end().await.is_some() {} });
    let (store, id) = (stack.store("test"), player.id.parse()?);
    let connections = store.connections(id).await?;
    let connection = connections.first().context("the socket is open")?;
    store.greeted(id, &connection.connection_id, 0).await?;
    Ok(connection.connection_id.clone())
}
