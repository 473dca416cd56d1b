//! `GET /api/auth/export`: everything that is held about a player.

use std::collections::BTreeSet;

use devstack::Stack;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Api, DEADLINE, Mailbox, PASSWORD, Player, Target, stack};

use crate::account::{key_of, whole_table};

/// One document of the export.
pub async fn export(player: &Player, query: &str) -> Value {
    player.api.get(&format!("/api/auth/export{query}")).await.ok()
}

/// What one member of a list's items says.
fn each<'a>(list: &'a Value, member: &str) -> BTreeSet<&'a str> {
    list.as_array().expect("a list").iter().filter_map(|item| item[member].as_str()).collect()
}

#[tokio::test]
async fn an_export_shows_what_the_player_can_see_elsewhere() {
    let target = Target::start().await;
    let player = target.player().await;
    player.claim().await.ok();
    player.spin(10, "my-own-key").send().await.ok();
    let document = export(&player, "").await;
    assert_eq!(document["profile"], player.me().await);
    assert_eq!(document["statistics"], player.api.get("/api/users/stats").await.ok());
    assert_eq!(document["state"]["version"], 3);
    assert_eq!(document["sessions"].as_array().map(Vec::len), Some(1));
    let journal = document["journal"]["entries"].as_array().expect("entries");
    assert!(document["journal"].get("next_cursor").is_none());
    let kinds: Vec<_> = journal.iter().map(|entry| &entry["fact"]["kind"]).collect();
    assert_eq!(kinds, ["player_signed_up", "streak_claimed", "round_settled"]);
    assert_eq!(journal[1]["legs"], json!({ "player": 1123, "mint:streak": -1123 }));
    assert_eq!(journal[2]["balance_after"], player.gold().await);
    let key = json!({ "source": "header", "key": "my-own-key" });
    assert_eq!(journal[2]["idempotency_key"], key);
    target.api().get("/api/auth/export").await.is_problem(401, "unauthenticated");
}

/// A player of whom there is an item of every kind.
async fn well_known(stack: &Stack) -> Player {
    let player = Player::sign_up(&Api::new(&stack.base_url)).await;
    player.claim().await.ok();
    player.spin(10, "spin").send().await.ok();
    player.buy("streak_shield", 1, "buy").send().await.ok();
    let seed = json!({ "client_seed": "mine" });
    player.api.post("/api/games/fairness/rotate", &seed).key("rotate").send().await.ok();
    let loud = json!({ "nickname": player.nickname.to_uppercase() }).to_string();
    player.api.call(Method::PUT, "/api/auth/profile").body(loud).send().await.ok();
    let (mailbox, address) = (Mailbox::of(stack), format!("{}@mail.example", player.site_id));
    mailbox.confirm(&player, &address).await;
    player.give_email(&format!("new-{address}"), PASSWORD).send().await.ok();
    player.elsewhere().log_in().await
}

#[tokio::test]
async fn whatever_the_table_holds_of_a_player_is_in_the_export() {
    let stack = stack().await;
    let player = well_known(&stack).await;
    let mut socket = player.socket().await;
    socket.until("initial_state").await;
    player.ticket().await;
    stack.settled(DEADLINE).await.expect("settles");
    let answer = player.api.get("/api/auth/export").await;
    let document = answer.ok();

    let names = [&player.id, &player.site_id, &player.nickname].map(|name| name.to_lowercase());
    let items = whole_table(&stack).await;
    let of_player = |item: &&Value| {
        let text = item.to_string().to_lowercase();
        names.iter().any(|name| text.contains(name))
    };
    let mut kinds = BTreeSet::new();
    for item in items.iter().filter(of_player) {
        let (pk, sk) = key_of(item);
        kinds.insert(item["entity"]["S"].as_str().expect("an entity"));
        let exported = is_exported(&document, &player, item);
        assert!(exported, "{pk}/{sk} is held and not exported: {item}");
    }
    let all = [
        "activity",
        "connection",
        "credential",
        "email",
        "entry",
        "mail",
        "nickname",
        "once",
        "pending_email",
        "player",
        "presence",
        "published",
        "roster",
        "site",
        "socket",
        "stats",
        "ticket",
    ];
    assert_eq!(kinds, all.into(), "an item of each kind was looked at");
    for item in &items {
        for hidden in [&item["password_hash"], &item["request_hash"]] {
            let Some(hidden) = hidden["S"].as_str() else { continue };
            assert!(!answer.text.contains(hidden), "{item}");
        }
    }
}

/// Whether the export has what the item says.
fn is_exported(document: &Value, player: &Player, item: &Value) -> bool {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default();
    let number = |value: &Value| value["N"].as_str().map(str::to_owned);
    let profile = &document["profile"];
    let entry = |seq: &str| {
        let seq = seq.parse::<usize>().expect("a number");
        &document["journal"]["entries"][seq - 1]
    };
    match key_of(item) {
        // The names are the profile's; that there is a player is all the roster says.
        ("", _) => false,
        (pk, "SITE") => pk == format!("SITE#{}", profile["site_id"].as_str().unwrap_or_default()),
        (pk, "NICK") => {
            let nickname = profile["nickname"].as_str().unwrap_or_default();
            pk == format!("NICK#{}", nickname.to_lowercase())
        }
        // How much of the journal is published, which is in the export.
        (_, "PUBLISHED") => {
            let seq = number(&item["published"]).expect("a number");
            entry(&seq)["seq"].as_u64() == seq.parse().ok()
        }
        (pk, sk) if pk.starts_with("ROSTER#") => sk == player.id && profile["id"] == sk,
        // Withheld: whoever had it could try passwords on it.
        (_, "AUTH#CREDENTIAL") => {
            number(&item["set_by"]) == Some(document["state"]["password_set_by"].to_string())
        }
        (_, "AUTH#EMAIL") => document["email"]["address"] == item["address"]["S"],
        (_, "AUTH#EMAIL#PENDING") => document["pending_email"]["address"] == item["address"]["S"],
        // That a mail was sent, and when: the entry says about what.
        (pk, "MAIL") => {
            let seq = pk.rsplit('#').next().unwrap_or_default();
            entry(seq)["seq"].as_u64() == seq.parse().ok()
        }
        (_, "STATE") => {
            let sessions = item["sessions"]["L"].as_array().expect("sessions").iter();
            let open: BTreeSet<_> = sessions
                .map(|session| session["S"].as_str().expect("text")[..32].to_owned())
                .collect();
            let shown = each(&document["sessions"], "id").into_iter();
            let shown: BTreeSet<_> = shown.map(|id| id.replace('-', "")).collect();
            let state = &document["state"];
            open == shown
                && number(&item["gold"]) == Some(profile["gold_balance"].to_string())
                && number(&item["version"]) == Some(state["version"].to_string())
                && item["fairness"]["M"]["client_seed"]["S"] == state["fairness"]["client_seed"]
        }
        (_, "VIEW#stats") => document["statistics"]["total_games_played"] == 1,
        (_, sk) if sk.starts_with("CONNECTION#") => {
            each(&document["sockets"], "connection_id").contains(text("connection_id"))
        }
        (pk, "SOCKET") => {
            let id = pk.strip_prefix("SOCKET#").unwrap_or_default();
            each(&document["sockets"], "connection_id").contains(id)
        }
        // What the journal says, counted, and when a socket spoke: for two hours.
        (pk, _) if pk.starts_with("ACTIVE#") => item["expires_at"].is_object(),
        // Good for half a minute, and known by a fingerprint only.
        (_, "TICKET") => item["expires_at"].is_object(),
        (pk, "ONCE") => {
            let seq = number(&item["seq"]).expect("a number");
            let key = entry(&seq)["idempotency_key"]["key"].as_str().unwrap_or_default();
            pk.ends_with(&format!("#{key}"))
        }
        (_, sk) => sk.strip_prefix("ENTRY#").is_some_and(|seq| {
            let entry = entry(seq);
            entry["fact"]["kind"] == item["fact"]["M"]["kind"]["S"]
                && entry["at"] == item["at"]["S"]
                && entry["trace_id"] == item["trace_id"]["S"]
                && number(&item["legs"]["M"]["player"]).unwrap_or_default()
                    == entry["legs"].get("player").map(Value::to_string).unwrap_or_default()
        }),
    }
}

#[tokio::test]
async fn nothing_of_another_player_is_in_it() {
    let stack = stack().await;
    let (player, other) = (well_known(&stack).await, well_known(&stack).await);
    let text = player.api.get("/api/auth/export").await.text.to_lowercase();
    for name in [&other.id, &other.site_id, &other.nickname] {
        assert!(!text.contains(&name.to_lowercase()), "{name}");
    }
}
