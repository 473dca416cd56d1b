//! Journal records that were given up, for operators.
//!
//! A replay publishes before it commits: should it die in between, the letter is still
//! there, and what is published twice is one event, since consumers know it by
//! `(user_id, seq)`.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Page,
    dead_letter::{DeadLetter, DeadLetterReplayed, ReplayDeadLetterRequest},
    openapi::{OptionalIdempotencyHeader, ReadProblems, WriteProblems},
    page::PageQuery,
};
use domain::{DeadLetterId, Entry, command::replay_dead_letter};
use publish::Publisher;
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::JwtKeys,
    command,
    http::{
        Caller, Cursors, IdempotencyKey, Json, Meta, Path, Query, Role, guarded, ok, signed_in_app,
    },
    secrets::Rotating,
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `JWT_KEYS_SECRET`, `EVENT_STREAM` or `PUSH_QUEUE_URL` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let letters = Letters {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
        publisher: Publisher::new(&deps)?,
        entropy: deps.entropy.clone(),
    };
    let keys = letters.keys.clone();
    let routes = router().with_state(Arc::new(letters));
    Ok(Function::http(signed_in_app(routes, &deps, keys)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Letters>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Operator, routes!(list)))
        .routes(guarded(Role::Operator, routes!(replay)))
}

/// What the function works with.
pub struct Letters {
    store: Store,
    keys: Rotating<JwtKeys>,
    publisher: Publisher,
    entropy: Entropy,
}

/// What the lists' cursors are for.
const LIST: &str = "dead-letters";

/// Records that could not be published and were given up after ten tries, newest first.
/// Of large ones a page may hold fewer than `limit` and still have a next one.
#[utoipa::path(
    get, path = "/api/admin/dead-letters", operation_id = "dead_letters", tag = "admin",
    params(PageQuery),
    responses((status = 200, body = Page<DeadLetter>), ReadProblems)
)]
async fn list(
    State(letters): State<Arc<Letters>>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let store = &letters.store;
    store.player(caller.subject()).await?;
    let cursors = Cursors::new(&*letters.keys.current().await?);
    let before = query.cursor.as_deref().map(|cursor| cursors.open::<Uuid>(LIST, cursor));
    let before = before.transpose()?.map(DeadLetterId::from);
    let limit = usize::try_from(query.limit()).unwrap_or(usize::MAX);
    let page = store.dead_letters(before, limit).await?;
    let items: Vec<DeadLetter> = page.letters.iter().map(Into::into).collect();
    let next_cursor = page.next.map(|id| cursors.seal(LIST, &id.uuid()));
    Ok(ok(&Page { items, next_cursor }))
}

/// Publishes a record that was given up, as its item lies in the journal now, and takes
/// it off the list. As long as the item cannot be read, that is refused.
#[utoipa::path(
    post, path = "/api/admin/dead-letters/{id}/replay", operation_id = "dead_letter_replay",
    tag = "admin", params(OptionalIdempotencyHeader, ("id" = Uuid, Path)),
    request_body = ReplayDeadLetterRequest,
    responses((status = 200, body = DeadLetterReplayed), WriteProblems)
)]
async fn replay(
    State(letters): State<Arc<Letters>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Path(id): Path<String>,
    Json(request): Json<ReplayDeadLetterRequest>,
) -> Result<Response, Problem> {
    let store = &letters.store;
    let ctx = command::context(&meta, &letters.entropy);
    let once = command::once_or_anew(key, "dead_letter_replay", &(&id, &request), &ctx);
    if let Some(receipt) = store.receipt(caller.subject(), &once).await? {
        return command::answered(receipt);
    }
    let unknown = || Problem::new(Code::DeadLetterNotFound);
    let id: DeadLetterId = id.parse().map_err(|_| unknown())?;
    let letter = store.dead_letter(id).await?.ok_or_else(unknown)?;
    let entry = letters.publish(&letter).await?;
    let answer = DeadLetterReplayed { id: id.uuid(), user_id: entry.player.uuid(), seq: entry.seq };
    let receipt = store
        .execute(caller.subject(), once, |operator| {
            let plan =
                replay_dead_letter::decide(operator, &letter, &entry, &request.reason, &ctx)?;
            Ok(Decision { plan, answer: Some(command::answer(200, &answer)) })
        })
        .await?;
    command::answered(receipt)
}

impl Letters {
    async fn publish(&self, letter: &domain::dead_letter::DeadLetter) -> Result<Entry, Problem> {
        let unreadable = || Problem::new(Code::DeadLetterUnreadable);
        let record = letter.record.as_ref().ok_or_else(unreadable)?;
        let entry = self.store.recorded(record).await.map_err(|error| match error {
            error @ store::Error::Corrupt { .. } => unreadable().caused_by(error),
            error => error.into(),
        })?;
        let published = self.publisher.publish(std::slice::from_ref(&entry)).await;
        published.map_err(|stopped| Problem::new(Code::ServiceUnavailable).caused_by(stopped))?;
        Ok(entry)
    }
}
