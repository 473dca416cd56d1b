//! What a client says on its socket, and how it comes to have one.

use contract::Code;
use proptest::{prelude::*, sample};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    nasty::{changes, header_text, json, text, value},
    support::{Product, fuzz},
};

const MESSAGE: &str = "SocketMessageFunction";
const CONNECT: &str = "SocketConnectFunction";

fn context(route: &str, connection_id: &str) -> Value {
    json!({ "routeKey": route, "eventType": "MESSAGE", "connectionId": connection_id,
            "stage": "realtime", "requestId": "U3xIpGvvoAMFhEA=", "apiId": "f6g7h8i9j0",
            "connectedAt": 1_795_235_405_000_i64, "requestTimeEpoch": 1_795_235_405_012_i64,
            "identity": { "sourceIp": "203.0.113.7", "userAgent": "fuzz" } })
}

/// What a client may send: nearly right, or anything.
fn message() -> impl Strategy<Value = String> {
    let action = prop_oneof![
        3 => sample::select(vec!["\"sync\"", "\"ping\""]).prop_map(str::to_owned),
        1 => value(),
    ];
    let sound = vec![
        r#"{"action":"ping"}"#,
        r#"{"action":"sync","last_seq":0}"#,
        r#"{"type":"sync","last_seq":0}"#,
    ];
    let seq = prop_oneof![
        any::<u64>().prop_map(|seq| seq.to_string()),
        (0..4_u64).prop_map(|seq| seq.to_string()),
        value(),
    ];
    let changed = (sample::select(sound.clone()), changes(1..3)).prop_map(|(sound, changes)| {
        let mut bytes = sound.as_bytes().to_vec();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    });
    prop_oneof![
        4 => (action, seq).prop_map(|(action, seq)| format!(r#"{{"action":{action},"last_seq":{seq}}}"#)),
        1 => value().prop_map(|action| format!(r#"{{"action":{action}}}"#)),
        1 => sample::select(sound).prop_map(str::to_owned),
        3 => changed,
        1 => text(),
        1 => json().prop_map(|value| value.to_string()),
    ]
}

#[test]
fn every_message_is_answered_and_none_changes_anything() {
    let product = Product::start();
    let id = product.player.id.parse().expect("a player id");
    let (socket, connection) = product.wait(async {
        let socket = product.player.socket().await;
        let store = product.stack.store("fuzz");
        let connection = store.connections(id).await.expect("connections").remove(0).connection_id;
        // Nobody greets where no trigger runs.
        store.greeted(id, &connection, 0).await.expect("is greeted");
        (socket, connection)
    });
    let socket = Mutex::new(socket);
    fuzz(800, &message(), |message| {
        let (version, written) = (product.version(), product.written(MESSAGE));
        let event = json!({ "requestContext": context("$default", &connection), "body": message,
                            "isBase64Encoded": false });
        let answer = product.invoke(MESSAGE, event);
        prop_assert_eq!(answer.ok(), Some(json!({ "statusCode": 200 })));
        // Nothing but that the player is there.
        prop_assert_eq!((product.version(), product.written(MESSAGE)), (version, written + 1.0));
        let last = product.wait(async {
            let mut socket = socket.lock().await;
            loop {
                let frame = socket.next().await;
                let ends = ["pong", "error", "initial_state", "stats_update"];
                if ends.iter().any(|end| frame["type"] == *end) {
                    socket.frames.clear();
                    return frame;
                }
            }
        });
        // Whether serde_json, which knows nothing of the contract, finds one there.
        let read: Value = serde_json::from_str(&message).unwrap_or_default();
        match last["type"].as_str() {
            Some("error") => {
                let code = last["data"]["code"].as_str().unwrap_or_default();
                prop_assert!(Code::ALL.iter().any(|known| known.as_str() == code), "{}", last);
            }
            Some("pong") => prop_assert_eq!(read, json!({ "action": "ping" })),
            _ => {
                prop_assert_eq!(&read["action"], "sync");
                prop_assert!(read["last_seq"].is_u64());
            }
        }
        Ok(())
    });
}

#[test]
fn nobody_gets_a_socket_by_anything_but_a_ticket_or_a_token() {
    let product = Product::start();
    let (_, ticket) = product.wait(product.player.ticket());
    let token = product.token().to_owned();
    let parameter = prop_oneof![
        2 => changes(1..3).prop_map(move |changes| {
            let mut bytes = ticket.as_bytes().to_vec();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            if changed == ticket { String::new() } else { changed }
        }),
        1 => text(),
    ];
    let names = vec!["ticket", "Ticket", "token", "ticket[]"];
    let protocol = prop_oneof![
        1 => header_text(),
        1 => changes(1..3).prop_map(move |changes| {
            let mut bytes = token.as_bytes().to_vec();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            bytes.retain(|byte| byte.is_ascii() && !byte.is_ascii_control());
            let changed = String::from_utf8(bytes).unwrap_or_default();
            let genuine = changed.split(',').any(|part| part.trim() == token);
            format!("bearer, {}", if genuine { String::new() } else { changed })
        }),
    ];
    let names = ["sec-websocket-protocol", "Sec-WebSocket-Protocol", "authorization"]
        .map(|header| (header, names.clone()));
    let inputs = (
        sample::select(names.to_vec())
            .prop_flat_map(|(header, names)| (Just(header), sample::select(names))),
        prop::option::of(parameter),
        prop::option::of(protocol),
    );
    fuzz(600, &inputs, |((header, name), parameter, protocol)| {
        let before = product.stack.engine().meter().snapshot();
        let mut event = json!({
            "headers": { "Host": "x" }, "multiValueHeaders": { "Host": ["x"] },
            "requestContext": context("$connect", "c1="), "isBase64Encoded": false,
        });
        if let Some(parameter) = parameter {
            event["queryStringParameters"] = json!({ name: parameter });
            event["multiValueQueryStringParameters"] = json!({ name: [parameter] });
        }
        if let Some(protocol) = protocol {
            event["headers"][header] = json!(protocol);
            event["multiValueHeaders"][header] = json!([protocol]);
        }
        let answer = product.invoke(CONNECT, event);
        prop_assert_eq!(answer.ok(), Some(json!({ "statusCode": 401 })));
        let used = product.stack.engine().meter().since(&before).of(CONNECT);
        prop_assert_eq!(used.count("dynamodb:PutItem"), 0);
        prop_assert_eq!(used.count("sqs:SendMessageBatch"), 0);
        Ok(())
    });
}
