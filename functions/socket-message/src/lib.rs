//! What a client says on its socket: `sync` after a reconnect, and `ping`.
//!
//! It is answered from here and not through the push queue, where who asks for much, or
//! often, would keep everybody else waiting.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use contract::{
    Code,
    home::DashboardCore,
    realtime::{ClientMessage, ConnectionData, ConnectionFrame, of_games_socket},
};
use domain::PlayerId;
use runtime::{
    Clock, Deps, Function, chain,
    http::read_json,
    metrics,
    push::{Delivery, Sockets},
};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Store, Subject};

/// The longest gap that is replayed entry by entry; beyond it a fresh
/// `initial_state` is shorter. An entry has up to four frames, each is a call of
/// `@connections` of some 20 ms that waits for the one before, and all of them are to
/// be through well within the function's 10 s.
const LONGEST_GAP: u64 = 60;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `SOCKET_ENDPOINT`, `STAGE` or `ENABLE_LEGACY_GAMES_WS` is not set, or the
/// last is neither `true` nor `false`.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let desk = Desk {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        sockets: Sockets::new(&deps)?,
        stage: deps.env.require("STAGE")?.to_owned(),
        takes_games_socket: deps.env.require("ENABLE_LEGACY_GAMES_WS")?.parse()?,
        clock: deps.clock,
    };
    Ok(Function::trigger(move |event: ApiGatewayWebsocketProxyRequest, _context| {
        let desk = desk.clone();
        async move { desk.answer(event).await }
    }))
}

#[derive(Clone)]
struct Desk {
    store: Store,
    sockets: Sockets,
    stage: String,
    /// Whether messages of the old `/api/games/ws` are taken.
    takes_games_socket: bool,
    clock: Clock,
}

/// The socket that asks.
struct Line<'a> {
    desk: &'a Desk,
    player: PlayerId,
    connection_id: String,
}

impl Desk {
    async fn answer(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<Value, runtime::Error> {
        let connection_id = event.request_context.connection_id.unwrap_or_default();
        let Some(player) = self.store.owner(&connection_id).await? else {
            // Forgotten, and still open: it hears nothing any more. Its client is to
            // find out, and to come back.
            let closed = self.sockets.close(&connection_id).await.is_ok();
            tracing::info!(connection_id, closed, "a socket that nobody knows");
            return Ok(json!({ "statusCode": 410 }));
        };
        // Who is counted as online hangs on it, and nothing else.
        if let Err(error) = self.store.present(player, self.clock.now()).await {
            tracing::warn!(%player, error = chain(&error), "not noted as present");
        }
        let line = Line { desk: self, player, connection_id };
        // Whoever speaks as soon as the socket is open is still greeted first. If that takes
        // too long, an answer before it is better than none.
        if !self.store.once_greeted(player, &line.connection_id).await? {
            tracing::warn!(%player, line.connection_id, "answers a socket that is not greeted yet");
        }
        match self.read(event.body.unwrap_or_default().into_bytes()) {
            Ok(ClientMessage::Ping {}) => line.say(0, ConnectionData::Pong {}).await?,
            Ok(ClientMessage::Sync { last_seq }) => line.sync(last_seq).await?,
            Err(code) => {
                let message = code.wording(contract::Language::default()).message.to_owned();
                line.say(0, ConnectionData::Error { code: code.to_string(), message }).await?
            }
        };
        Ok(json!({ "statusCode": 200 }))
    }

    fn read(&self, mut message: Vec<u8>) -> Result<ClientMessage, Code> {
        if let Some(modern) = of_games_socket(&message) {
            let (now, accepted) = (self.clock.now(), self.takes_games_socket);
            metrics::record(metrics::GamesSocket::new(now, self.stage.clone(), accepted));
            if !accepted {
                return Err(Code::GamesSocketRetired);
            }
            message = modern;
        }
        read_json(&message).map_err(|problem| problem.code())
    }
}

impl Line<'_> {
    /// Every frame after `last_seq` in order, then the statistics as they are now;
    /// or a fresh state when the gap is too long, or ahead of the journal.
    async fn sync(&self, last_seq: u64) -> Result<Delivery, runtime::Error> {
        let opened = self.desk.store.open(Subject::system(self.player)).await?;
        let Some(gap) =
            opened.player.version.checked_sub(last_seq).filter(|gap| *gap <= LONGEST_GAP)
        else {
            let today = runtime::utc_day(self.desk.clock.now());
            let core = DashboardCore::of(&opened.player, today);
            return self
                .say(opened.player.version, ConnectionData::InitialState(Box::new(core)))
                .await;
        };
        let limit = i32::try_from(gap).unwrap_or(i32::MAX);
        let missed = if limit > 0 {
            self.desk.store.entries_after(self.player, last_seq, limit).await?
        } else {
            Vec::new()
        };
        for entry in &missed {
            for frame in domain::frames(entry) {
                if self.post(&frame).await? == Delivery::Gone {
                    return Ok(Delivery::Gone);
                }
            }
        }
        let newest = missed.last().or(opened.folded.last());
        let at = opened.player.updated_at;
        self.post(&domain::stats_frame(self.player, &opened.stats, newest, at)).await
    }

    async fn say(&self, seq: u64, data: ConnectionData) -> Result<Delivery, runtime::Error> {
        let frame = ConnectionFrame {
            data,
            user_id: self.player.uuid(),
            timestamp: self.desk.clock.now(),
            seq,
            trace_id: None,
        };
        self.post(&frame).await
    }

    async fn post(&self, frame: &impl Serialize) -> Result<Delivery, runtime::Error> {
        let delivery = self.desk.sockets.post(&self.connection_id, frame).await?;
        if delivery == Delivery::Gone {
            self.desk.store.forget(self.player, &self.connection_id).await?;
        }
        Ok(delivery)
    }
}
