//! How each defect shows in what the product sends and gets.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    auditor::slot,
    plant::Plant,
    world::{Asked, Call, Reply, World},
};

fn text<'v>(item: &'v Value, name: &str) -> &'v str {
    item[name]["S"].as_str().unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value["N"].as_str().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn add(value: &mut Value, more: i64) {
    *value = json!({ "N": (number(value) + more).to_string() });
}

fn unconditional(put: &mut Value) {
    if let Some(put) = put.as_object_mut() {
        for name in [
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValuesOnConditionCheckFailure",
        ] {
            put.remove(name);
        }
    }
}

/// Adds `more` to what the player gets in an entry, and takes it from the house.
fn move_gold(state: &mut Value, entry: &mut Value, more: i64) {
    add(&mut state["gold"], more);
    add(&mut entry["after"]["M"]["gold"], more);
    for (account, leg) in entry["legs"]["M"].as_object_mut().into_iter().flatten() {
        add(leg, if account == "player" { more } else { -more });
    }
}

impl World {
    /// The call as a product with the planted defect would make it.
    pub fn planted_request(&mut self, call: &Call) -> Call {
        let Some(plant) = self.plant else { return call.clone() };
        let mut request = call.json();
        let mut operation = call.operation.clone();
        match call.operation.as_str() {
            "TransactWriteItems" => self.planted_transaction(plant, call, &mut request),
            "PutItem" if text(&request["Item"], "sk") == "VIEW#stats" => {
                self.planted_view(plant, &mut request);
            }
            "PutItem"
                if plant == Plant::NoticeForgotten
                    && text(&request["Item"], "pk").starts_with("NOTICE#") =>
            {
                request["Item"]["pk"] = json!({ "S": "FORGOTTEN" });
            }
            "PutItem"
                if plant == Plant::GuessesForgotten
                    && text(&request["Item"], "sk") == "ATTEMPTS" =>
            {
                request["Item"]["failures"] = json!({ "L": [] });
            }
            "PutItem"
                if plant == Plant::MarkPassesGap && text(&request["Item"], "sk") == "PUBLISHED" =>
            {
                unconditional(&mut request);
            }
            "BatchGetItem" if plant == Plant::EventualRead && call.function == "slot-spin" => {
                request["RequestItems"][&self.table]["ConsistentRead"] = false.into();
            }
            "GetItem" if plant == Plant::EventualBalance && call.function == "account-read" => {
                request["ConsistentRead"] = false.into();
            }
            "UpdateItem" if text(&request["Key"], "pk").starts_with("TICKET#") => match plant {
                Plant::TicketUsedTwice => {
                    request["ConditionExpression"] = "attribute_exists(pk)".into()
                }
                Plant::TicketDeleted => {
                    "DeleteItem".clone_into(&mut operation);
                    request = json!({
                        "TableName": request["TableName"], "Key": request["Key"],
                        "ConditionExpression": "attribute_exists(pk)", "ReturnValues": "ALL_OLD",
                    });
                }
                _ => return call.clone(),
            },
            _ if call.service == "clickhouse" => crate::clickhouse::planted(plant, &mut request),
            _ => return call.clone(),
        }
        let body = serde_json::to_vec(&request).expect("JSON serializes");
        Call { body, operation, ..call.clone() }
    }

    fn planted_transaction(&mut self, plant: Plant, call: &Call, request: &mut Value) {
        let Some(items) = request["TransactItems"].as_array_mut() else { return };
        let kind = text(&items[1]["Put"]["Item"]["fact"]["M"], "kind").to_owned();
        items.retain(|item| match plant {
            Plant::NamesKept => kind != "player_erased" || !is_name(&item["Delete"]["Key"]),
            Plant::PasswordKept => {
                kind != "password_changed" || text(&item["Put"]["Item"], "sk") != "AUTH#CREDENTIAL"
            }
            Plant::NoticeForgotten => !text(&item["Put"]["Item"], "pk").starts_with("NOTICE#"),
            _ => true,
        });
        let redone = plant == Plant::TimeoutIsFailure && self.unanswered.contains(&call.by);
        for item in items.iter_mut() {
            let update = &mut item["Update"];
            if plant == Plant::InviteUnlimited && text(&update["Key"], "pk").starts_with("INVITE#")
            {
                update["ConditionExpression"] =
                    "attribute_exists(pk) OR (uses_left >= :one AND expires_at > :now)".into();
            }
            let put = &mut item["Put"];
            let pk = text(&put["Item"], "pk").to_owned();
            let once = pk.starts_with("ONCE#");
            let of_payment =
                once || pk.starts_with("NOTICE#") || text(&put["Item"], "sk").starts_with("BUY#");
            let versioned = pk.starts_with("PLAYER#")
                && (text(&put["Item"], "sk") == "STATE"
                    || text(&put["Item"], "sk").starts_with("ENTRY#"));
            if (plant == Plant::DropVersionCondition && versioned)
                || (plant == Plant::DropOnceCondition && once)
                || (redone && once)
                || (plant == Plant::PaidTwice && call.function == "payment-webhook" && of_payment)
                || (plant == Plant::NicknameNotReserved && pk.starts_with("NICK#"))
            {
                unconditional(put);
            }
        }
        let [state, entry, ..] = items.as_mut_slice() else { return };
        let (state, entry) = (&mut state["Put"]["Item"], &mut entry["Put"]["Item"]);
        match plant {
            Plant::SessionStays if kind == "session_closed" => {
                let session = text(&entry["fact"]["M"], "session").to_owned();
                sign_in(state, &session);
            }
            Plant::PaceForgotten => {
                if let Some(state) = state.as_object_mut() {
                    state.remove("paces");
                }
            }
            Plant::LegsDoNotSum if kind == "round_settled" => {
                add(&mut entry["legs"]["M"]["house:slot"], -1);
            }
            Plant::StateBesideEntry if kind == "item_purchased" => add(&mut state["gold"], 1),
            Plant::ClaimOverpays if kind == "streak_claimed" => {
                move_gold(state, entry, 100);
                add(&mut entry["fact"]["M"]["gold"], 100);
            }
            Plant::ReuseNonce if kind == "round_settled" => {
                draw_again(&self.master_key, state, entry);
            }
            Plant::PublishBeforeCommit => {
                let player = text(entry, "pk").trim_start_matches("PLAYER#").to_owned();
                let seq: u64 =
                    text(entry, "sk").trim_start_matches("ENTRY#").parse().unwrap_or_default();
                let event = json!({
                    "event_type": "early", "user_id": player, "ts": text(entry, "at"),
                    "trace_id": "t", "version": 1, "seq": seq, "payload": {},
                });
                self.publish(call.by, player, BASE64_STANDARD.encode(event.to_string()));
            }
            _ => {}
        }
        if redone && let Some(request) = request.as_object_mut() {
            request.remove("ClientRequestToken");
        }
    }

    fn planted_view(&mut self, plant: Plant, request: &mut Value) {
        match plant {
            Plant::DropViewCondition => unconditional(request),
            Plant::CountTwiceOnRetry => {
                let item = &mut request["Item"];
                let version = format!("{}/{}", text(item, "pk"), item["applied_seq"]["N"]);
                let games = &mut item["games"]["M"]["slot"]["M"];
                if !self.views_tried.insert(version) && games.is_object() {
                    add(&mut games["plays"], 1);
                    add(&mut games["losses"], 1);
                    // With the condition, what is there already would stay.
                    unconditional(request);
                }
            }
            _ => {}
        }
    }

    /// The answer as a product with the planted defect would take it.
    pub fn planted_reply(&mut self, call: &Call, reply: Reply) -> Reply {
        let Some(plant) = self.plant else { return reply };
        if plant == Plant::IgnoreFailedViews && call.operation == "feed" {
            return Reply { status: 200, body: b"[]".to_vec() };
        }
        let mut answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let is_pointer = |item: &Value| text(item, "pk").starts_with("ONCE#");
        match (plant, call.operation.as_str()) {
            (Plant::SkipTailFold, "Query") if call.function == "account-read" => {
                if let Some(items) = answer["Items"].as_array_mut() {
                    items.retain(|item| !text(item, "sk").starts_with("ENTRY#"));
                }
            }
            (Plant::ReplayDiffers, "GetItem") => {
                let body = &mut answer["Item"]["answer"]["M"]["body"];
                let Some(Ok(again)) = body["S"].as_str().map(serde_json::from_str::<Value>) else {
                    return reply;
                };
                *body = json!({ "S": again.to_string() });
            }
            (Plant::SkipLookup, "BatchGetItem") => {
                if let Some(items) = answer["Responses"][&self.table].as_array_mut() {
                    items.retain(|item| !is_pointer(item));
                }
            }
            (Plant::TimeoutIsFailure, "BatchGetItem") if self.unanswered.contains(&call.by) => {
                if let Some(items) = answer["Responses"][&self.table].as_array_mut() {
                    items.retain(|item| !is_pointer(item));
                }
            }
            (Plant::RequestHashNotCompared, "BatchGetItem") => {
                let Some(hash) = self.own_hash(call) else { return reply };
                for item in answer["Responses"][&self.table].as_array_mut().into_iter().flatten() {
                    if is_pointer(item) {
                        item["request_hash"] = json!({ "S": hash });
                    }
                }
            }
            (Plant::PaidTwice, "BatchGetItem") if call.function == "payment-webhook" => {
                if let Some(items) = answer["Responses"][&self.table].as_array_mut() {
                    items.retain(|item| {
                        !is_pointer(item) && !text(item, "pk").starts_with("NOTICE#")
                    });
                    for item in items.iter_mut() {
                        let granted = text(item, "status") == "succeeded";
                        if granted && text(item, "sk").starts_with("BUY#") {
                            item["status"] = json!({ "S": "pending" });
                        }
                    }
                }
            }
            (Plant::DeclinedGranted, "charge" | "look" | "cancel") => {
                if answer["status"] != "declined" {
                    return reply;
                }
                answer["status"] = "succeeded".into();
            }
            (Plant::IgnorePartialFailure, "PutRecords") => {
                for record in answer["Records"].as_array_mut().into_iter().flatten() {
                    *record = json!({ "SequenceNumber": "0", "ShardId": "shardId-000000000000" });
                }
            }
            (
                Plant::SignedOutAdmitted | Plant::InviteUnlimited | Plant::RefreshTokenTwice,
                "GetItem" | "BatchGetItem",
            ) => {
                let asked = self.asked.get(&call.by);
                if let Some(item) = answer.get_mut("Item") {
                    planted_item(plant, asked, item);
                }
                for item in answer["Responses"][&self.table].as_array_mut().into_iter().flatten() {
                    planted_item(plant, asked, item);
                }
            }
            _ => return reply,
        }
        Reply { status: reply.status, body: serde_json::to_vec(&answer).expect("JSON serializes") }
    }

    /// Whether the planted defect, rare otherwise, shows where this call times out: the put
    /// of a ticket, which may take effect once the ticket is used; a frame, whose message
    /// does not come again.
    pub fn planted_timeout(&self, ticket: u64) -> bool {
        let call = &self.parked[&ticket].call;
        let shows = match self.plant {
            Some(Plant::TicketDeleted) => {
                call.operation == "PutItem" && text(&call.json()["Item"], "sk") == "TICKET"
            }
            Some(Plant::AcknowledgeBeforePush) => call.operation == "PostToConnection",
            _ => false,
        };
        shows && !self.calm
    }

    /// The hash of the request that this call serves.
    fn own_hash(&self, call: &Call) -> Option<String> {
        let Asked { operation, body, .. } = self.asked.get(&call.by)?;
        let bet = contract_spin(body)?;
        (*operation == "spin").then(|| runtime::command::request_hash("slot_spin", &bet))
    }
}

/// The item as a product with the planted defect would take it.
fn planted_item(plant: Plant, asked: Option<&Asked>, item: &mut Value) {
    let is_state = text(item, "sk") == "STATE";
    match (plant, asked) {
        (Plant::SignedOutAdmitted, Some(Asked { session: Some(session), .. })) if is_state => {
            sign_in(item, &session.to_string());
        }
        (Plant::RefreshTokenTwice, Some(Asked { operation: "refresh", body, .. })) if is_state => {
            let token = body["refresh_token"].as_str().unwrap_or_default();
            let presented: Vec<_> = token.split('.').skip(1).take(2).collect();
            refreshed(item, &presented);
        }
        (Plant::InviteUnlimited, _) if text(item, "pk").starts_with("INVITE#") => {
            item["uses_left"] = json!({ "N": "1" });
        }
        _ => {}
    }
}

fn is_name(key: &Value) -> bool {
    ["SITE#", "NICK#"].iter().any(|prefix| text(key, "pk").starts_with(prefix))
}

/// Puts the session among those of the state, unless it is there.
fn sign_in(state: &mut Value, session: &str) {
    let session = session.replace('-', "");
    if !state["sessions"]["L"].is_array() {
        state["sessions"] = json!({ "L": [] });
    }
    let sessions = state["sessions"]["L"].as_array_mut().expect("a list by now");
    if !sessions.iter().any(|of| of["S"].as_str().is_some_and(|of| of.starts_with(&session))) {
        sessions.push(json!({ "S": format!("{session}.1.4102444800") }));
    }
}

/// Makes the presented refresh token, session and generation, the latest.
fn refreshed(state: &mut Value, presented: &[&str]) {
    let [session, generation] = presented else { return };
    let session = session.replace('-', "");
    for of in state["sessions"]["L"].as_array_mut().into_iter().flatten() {
        let text = of["S"].as_str().unwrap_or_default().to_owned();
        if let [id, _, ends] = text.split('.').collect::<Vec<_>>()[..]
            && id == session
        {
            of["S"] = format!("{id}.{generation}.{ends}").into();
        }
    }
}

/// As the function reads it.
fn contract_spin(body: &Value) -> Option<Value> {
    Some(json!({ "bet": body["bet"].as_i64()? }))
}

/// Makes the round what the nonce of the entry before would have made it.
fn draw_again(master: &[u8; 32], state: &mut Value, entry: &mut Value) {
    let player = text(entry, "pk").trim_start_matches("PLAYER#").to_owned();
    let nonce: u64 = text(entry, "sk").trim_start_matches("ENTRY#").parse().unwrap_or_default();
    let client_seed = text(&state["fairness"]["M"], "client_seed").to_owned();
    let fact = &mut entry["fact"]["M"];
    let epoch = u32::try_from(number(&fact["epoch"])).unwrap_or_default();
    let seed = slot::server_seed(master, &player, epoch);
    let symbols = slot::reels(&seed, &client_seed, nonce - 1);
    let multiplier = slot::multiplier(&symbols);
    let (bet, win) = (number(&fact["bet"]), number(&fact["win"]));
    let more = bet * multiplier - win;
    add(&mut fact["win"], more);
    fact["multiplier"] = json!({ "N": multiplier.to_string() });
    fact["outcome"] = json!({ "L": symbols.iter().map(|s| json!({ "S": s })).collect::<Vec<_>>() });
    move_gold(state, entry, more);
    let body = &mut entry["answer"]["M"]["body"];
    if let Some(Ok(mut answer)) = body["S"].as_str().map(serde_json::from_str::<Value>) {
        answer["reels"] = json!(symbols);
        answer["multiplier"] = json!(multiplier);
        answer["win_gold"] = json!(bet * multiplier);
        answer["gold_balance"] = json!(answer["gold_balance"].as_i64().unwrap_or(0) + more);
        *body = json!({ "S": answer.to_string() });
    }
}
