//! What clients do with sockets.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    functions,
    history::Event,
    run::{Purpose, Run},
    world::{Socket, SocketState},
};

impl Run {
    /// Every ticket that was tried is tried once more.
    pub fn try_tickets_again(&mut self) {
        for (player, ticket) in self.clients.tried.clone() {
            self.connect(&player, &ticket);
        }
    }

    pub(super) fn connect(&mut self, player: &str, ticket: &str) {
        let by = self.next_invocation();
        let socket = format!("socket{by}");
        let mut world = self.world.lock();
        let now = world.clock("");
        let mut event = functions::socket_event("$connect", "CONNECT", &socket, now);
        event["queryStringParameters"] = json!({ "ticket": ticket });
        event["multiValueQueryStringParameters"] = json!({ "ticket": [ticket] });
        let (player, ticket) = (player.to_owned(), ticket.to_owned());
        world.note(Event::Opening { by, socket: socket.clone(), player, ticket });
        world.sockets.insert(socket.clone(), Socket { state: SocketState::Opening });
        drop(world);
        self.invoke(by, "socket-connect", event, Purpose::Connect { socket });
    }

    /// API Gateway's part once `$connect` has been answered, or not.
    pub fn connected(&self, socket: &str, answer: &Result<Value, String>) {
        let welcome = answer.as_ref().is_ok_and(|answer| answer["statusCode"] == 200);
        let mut world = self.world.lock();
        let end = world.sockets.get_mut(socket).expect("it was opening");
        end.state = if welcome { SocketState::Open } else { SocketState::Closed };
        let socket = socket.to_owned();
        world.note(if welcome { Event::Opened { socket } } else { Event::Closed { socket } });
    }

    pub fn open_sockets(&self) -> Vec<String> {
        let world = self.world.lock();
        let open = world.sockets.iter().filter(|(_, socket)| socket.state == SocketState::Open);
        open.map(|(id, _)| id.clone()).collect()
    }

    /// A socket breaks; API Gateway does its best to tell.
    pub fn close(&mut self, socket: &str) {
        let mut world = self.world.lock();
        world.sockets.get_mut(socket).expect("it was open").state = SocketState::Closed;
        world.note(Event::Closed { socket: socket.to_owned() });
        let now = world.clock("");
        let told = world.rng.chance(700);
        drop(world);
        if told {
            let by = self.next_invocation();
            let event = functions::socket_event("$disconnect", "DISCONNECT", socket, now);
            self.invoke(by, "socket-disconnect", event, Purpose::Other);
        }
    }

    /// The client asks for what it has missed.
    pub fn sync(&mut self, socket: &str) {
        let by = self.next_invocation();
        let mut world = self.world.lock();
        let last_seq = seen_whole(&world.history, socket);
        let now = world.clock("");
        let mut event = functions::socket_event("sync", "MESSAGE", socket, now);
        event["body"] = json!({ "action": "sync", "last_seq": last_seq }).to_string().into();
        world.note(Event::Sync { by, socket: socket.to_owned(), last_seq });
        drop(world);
        self.invoke(by, "socket-message", event, Purpose::Message { socket: socket.to_owned() });
    }
}

/// The last entry of which the client knows that it has seen all: frames come in
/// order, so the one before the latest.
fn seen_whole(history: &[Event], socket: &str) -> u64 {
    let mut whole = None;
    let mut seen = BTreeSet::new();
    for event in history {
        if let Event::Frame { socket: at, frame, .. } = event
            && at == socket
        {
            let seq = frame["seq"].as_u64().unwrap_or_default();
            match frame["type"].as_str() {
                Some("initial_state") => whole = whole.max(Some(seq)),
                Some("sync_connected" | "pong" | "error" | "stats_update") => {}
                _ => drop(seen.insert(seq)),
            }
        }
    }
    let base = whole.unwrap_or(0);
    let mut last = base;
    while seen.contains(&(last + 1)) {
        last += 1;
    }
    if last > base { last - 1 } else { base }
}
