//! The table, behind everybody's back.

use devstack::Stack;
use domain::PlayerId;
use serde_json::{Value, json};

/// Reads and writes items as they lie in a stack's table.
pub struct Table<'a> {
    stack: &'a Stack,
    name: String,
}

impl<'a> Table<'a> {
    /// The stack's one table.
    #[must_use]
    pub fn of(stack: &'a Stack) -> Self {
        Self { stack, name: stack.spec().tables[0].name.clone() }
    }

    /// The item with this key, or null.
    ///
    /// # Panics
    /// When the engine refuses.
    pub async fn item(&self, pk: &str, sk: &str) -> Value {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let get = json!({ "TableName": self.name, "Key": key });
        let get = serde_json::from_value(get).expect("a request");
        let found = self.stack.engine().with_database(move |database| database.get_item(get)).await;
        let found = serde_json::to_value(found.expect("is read")).expect("JSON");
        found["Item"].clone()
    }

    /// A player's entry, or null.
    pub async fn entry(&self, player: PlayerId, seq: u64) -> Value {
        self.item(&format!("PLAYER#{player}"), &entry_sk(seq)).await
    }

    /// Puts the items, whatever is there.
    ///
    /// # Panics
    /// When the engine refuses one.
    pub async fn put(&self, items: Vec<Value>) {
        let put = |item| json!({ "TableName": self.name, "Item": item });
        let puts: Vec<_> = items
            .into_iter()
            .map(|item| serde_json::from_value(put(item)).expect("a request"))
            .collect();
        self.stack
            .engine()
            .with_database(move |database| {
                puts.into_iter().try_for_each(|put| database.put_item(put).map(drop))
            })
            .await
            .expect("is put");
    }

    /// Puts entries so that the outbox's trigger never hears of them: as something else
    /// first.
    ///
    /// # Panics
    /// When the engine refuses one.
    pub async fn put_unheard(&self, entries: Vec<Value>) {
        let mut others = entries.clone();
        for other in &mut others {
            other["entity"]["S"] = json!("no_entry_yet");
        }
        self.put(others).await;
        self.put(entries).await;
    }

    /// Makes room for `count` entries after the player's last one, as if they had been
    /// committed; returns copies of that last one for these places, which nobody has put
    /// there yet.
    ///
    /// # Panics
    /// When there is no such player.
    pub async fn skip(&self, player: PlayerId, count: u64) -> Vec<Value> {
        let mut state = self.item(&format!("PLAYER#{player}"), "STATE").await;
        let version = state["version"]["N"].as_str().expect("a player");
        let last: u64 = version.parse().expect("a number");
        state["version"]["N"] = json!((last + count).to_string());
        let entry = self.entry(player, last).await;
        self.put(vec![state]).await;
        (last + 1..=last + count)
            .map(|seq| {
                let mut copy = entry.clone();
                copy["sk"]["S"] = json!(entry_sk(seq));
                copy
            })
            .collect()
    }
}

/// An entry that no build can read, in the place of this one.
#[must_use]
pub fn poisoned(entry: &Value) -> Value {
    let mut poison = entry.clone();
    poison["fact"] = json!({ "M": { "kind": { "S": "from_the_future" } } });
    poison
}

fn entry_sk(seq: u64) -> String {
    format!("ENTRY#{seq:016}")
}
