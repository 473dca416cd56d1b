//! Page cursors.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use proptest::prelude::*;
use runtime::{auth::JwtKeys, http::Cursors};
use serde_json::json;
use tests::Player;

use crate::{
    nasty::{change, changes, text},
    support::{Product, Request, fuzz},
};

fn cursors() -> Cursors {
    let secret = BASE64_STANDARD.encode([7; 32]);
    let keys =
        json!({ "active": "k1", "keys": [{ "kid": "k1", "alg": "HS256", "secret": secret }] });
    Cursors::new(&JwtKeys::from_json(&keys.to_string()).expect("keys"))
}

#[test]
fn a_cursor_opens_in_its_own_list_and_nowhere_else() {
    let cursors = cursors();
    fuzz(3000, &(text(), text(), any::<u64>()), |(list, other, position)| {
        let cursor = cursors.seal(&list, &position);
        prop_assert_eq!(cursors.open::<u64>(&list, &cursor), Ok(position));
        if other != list {
            prop_assert!(cursors.open::<u64>(&other, &cursor).is_err());
        }
        // The parts of a cursor, divided otherwise.
        let longer = format!("{list}{position}");
        prop_assert!(cursors.open::<u64>(&longer, &cursor).is_err());
        Ok(())
    });
}

#[test]
fn a_changed_cursor_does_not_open() {
    let cursors = cursors();
    fuzz(3000, &(any::<u64>(), changes(1..4), any::<bool>()), |(position, changes, inside)| {
        let sealed = cursors.seal("a list", &position);
        let mut bytes = sealed.clone().into_bytes();
        if inside {
            bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed).unwrap_or_default();
        }
        changes.iter().for_each(|change| change.apply(&mut bytes));
        let changed = if inside {
            BASE64_URL_SAFE_NO_PAD.encode(&bytes)
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let opened = cursors.open::<u64>("a list", &changed);
        prop_assert_eq!(opened.is_ok(), changed == sealed, "{}", changed);
        Ok(())
    });
}

#[test]
fn only_a_cursor_of_ones_own_history_turns_its_page() {
    let product = Product::start();
    let (mine, theirs) = product.wait(async {
        let other = Player::sign_up(&tests::Api::new(&product.stack.base_url)).await;
        let mut cursors = Vec::new();
        for player in [&product.player, &other] {
            player.claim().await.ok();
            let page = player.api.get("/api/streak/history?limit=1").await.ok();
            cursors.push(page["next_cursor"].as_str().expect("a further page").to_owned());
        }
        (cursors[0].clone(), cursors[1].clone())
    });
    let inputs = prop_oneof![
        4 => change().prop_map(Some).prop_map(|change| (change, true)),
        1 => Just((None, true)),
        1 => Just((None, false)),
        1 => change().prop_map(|change| (Some(change), false)),
    ];
    fuzz(600, &inputs, |(change, own)| {
        let mut cursor = if own { &mine } else { &theirs }.clone().into_bytes();
        if let Some(change) = change {
            change.apply(&mut cursor);
        }
        let encoded: String = cursor.iter().map(|byte| format!("%{byte:02X}")).collect();
        let request = Request::new("GET", "/api/streak/history")
            .header("authorization", product.bearer())
            .query(format!("cursor={encoded}"));
        let reply = product.ask(&request)?;
        if cursor == mine.as_bytes() {
            prop_assert_eq!(reply.status, 200);
        } else {
            prop_assert_eq!((reply.status, reply.code()), (422, "validation_failed"));
            prop_assert_eq!(&reply.body["errors"][0]["pointer"], "/cursor");
        }
        Ok(())
    });
}
