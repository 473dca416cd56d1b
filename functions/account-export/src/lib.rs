//! `GET /api/auth/export`: everything that is held about the caller.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    account::{Stats, User},
    export::{
        Export, ExportQuery, ExportedEmail, ExportedEntry, ExportedJournal, ExportedSession,
        ExportedShopProfile, ExportedSocket, ExportedState,
    },
    openapi::ReadProblems,
    shop::Transaction,
};
use domain::{Entry, Player};
use runtime::{
    Deps, Function, Problem,
    auth::JwtKeys,
    http::{Caller, Cursors, Meta, Query, Role, guarded, ok, signed_in_app},
    secrets::Rotating,
    utc_day,
};
use store::{Connection, Segmented, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Entries of one document. At a kilobyte or two each they stay well below the six
/// megabytes that a function may answer with.
pub const MOST_ENTRIES: usize = 2_000;

/// Purchases of one document, the newest; older ones are in the journal, as all are.
const MOST_PURCHASES: i32 = 500;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let exports = Exports {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
    };
    let keys = exports.keys.clone();
    let routes = router().with_state(Arc::new(exports));
    Ok(Function::http(signed_in_app(routes, &deps, keys)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Exports>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(export)))
}

/// What the function works with.
pub struct Exports {
    store: Store,
    keys: Rotating<JwtKeys>,
}

/// Everything that is held about the caller, as one document. A journal of more than
/// 2,000 entries goes on in further ones, asked for with `journal.next_cursor`.
#[utoipa::path(
    get, path = "/api/auth/export", operation_id = "account_export", tag = "account",
    params(ExportQuery), responses((status = 200, body = Export), ReadProblems)
)]
async fn export(
    State(exports): State<Arc<Exports>>,
    meta: Meta,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let Exports { store, keys } = &*exports;
    let cursors = Cursors::new(&*keys.current().await?);
    let list = format!("account-export:{}", caller.player());
    let after = match &query.cursor {
        Some(cursor) => cursors.open::<u64>(&list, cursor)?,
        None => 0,
    };
    let (opened, sockets, purchases, emails, segmented) = tokio::try_join!(
        store.open(caller.subject()),
        store.connections(caller.player()),
        store.purchases(caller.player(), None, MOST_PURCHASES),
        store.emails_of(caller.player()),
        store.segmented(caller.player(), meta.now),
    )?;
    let player = opened.player;
    let entries = exports.entries(&player, after).await?;
    let next = entries.last().map(|entry| entry.seq).filter(|seq| *seq < player.version);
    Ok(ok(&Export {
        exported_at: meta.now,
        profile: User::of(&player),
        email: emails.confirmed.as_ref().map(ExportedEmail::of),
        pending_email: emails.pending.as_ref().map(ExportedEmail::of),
        state: ExportedState::of(&player),
        sessions: ExportedSession::all_of(&player),
        sockets: sockets.into_iter().map(socket).collect(),
        statistics: Stats::of(&opened.stats, utc_day(meta.now)),
        purchases: purchases.iter().map(Transaction::of).collect(),
        shop_profile: segmented.map(shop_profile),
        journal: ExportedJournal {
            entries: entries.iter().map(ExportedEntry::of).collect(),
            next_cursor: next.map(|seq| cursors.seal(&list, &seq)),
        },
    }))
}

impl Exports {
    /// The entries after `after` that made the state, as many as one document holds.
    /// One that was written meanwhile is for the next export.
    async fn entries(&self, player: &Player, after: u64) -> Result<Vec<Entry>, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let last = entries.last().map_or(after, |entry| entry.seq);
            let room = MOST_ENTRIES.saturating_sub(entries.len());
            if last >= player.version || room == 0 {
                break;
            }
            // The table answers with a megabyte at a time.
            let limit = i32::try_from(room).unwrap_or(i32::MAX);
            let page = self.store.entries_after(player.id, last, limit).await?;
            if page.is_empty() {
                break;
            }
            entries.extend(page.into_iter().filter(|entry| entry.seq <= player.version));
        }
        Ok(entries)
    }
}

fn shop_profile(segmented: Segmented) -> ExportedShopProfile {
    let Segmented { at, segment, scores, recommendations } = segmented;
    ExportedShopProfile {
        computed_at: at,
        segment,
        recency: scores.recency,
        frequency: scores.frequency,
        monetary: scores.monetary,
        recommended: recommendations.into_iter().map(|of| of.product).collect(),
    }
}

fn socket(connection: Connection) -> ExportedSocket {
    let Connection { connection_id, connected_at, expires_at, .. } = connection;
    ExportedSocket { connection_id, connected_at, expires_at }
}
