//! `POST /api/auth/login`: a session for a site id (or nickname) and password.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use contract::{
    Code,
    account::User,
    auth::{LoginAnswer, LoginRequest},
    openapi::{OptionalIdempotencyHeader, PublicWriteProblems},
};
use domain::{Ctx, Fact, Once, Player, SessionId, command::log_in};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::{Hasher, JwtKeys, Verdict, session_answer},
    command,
    http::{IdempotencyKey, Json, Meta, app, rendered_answer},
    secrets::Rotating,
};
use store::{Decision, Receipt, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let login = Login {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
        entropy: deps.entropy.clone(),
        hasher: deps.hasher,
    };
    Ok(Function::http(app(router().with_state(Arc::new(login)), &deps)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Login>> {
    OpenApiRouter::new().routes(routes!(login))
}

/// What the function works with.
pub struct Login {
    store: Store,
    keys: Rotating<JwtKeys>,
    entropy: Entropy,
    hasher: Hasher,
}

/// Opens a session. Answer and timing do not tell whether the account exists.
#[utoipa::path(
    post, path = "/api/auth/login", operation_id = "auth_login", tag = "auth",
    params(OptionalIdempotencyHeader), request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer), PublicWriteProblems)
)]
async fn login(
    State(login): State<Arc<Login>>,
    meta: Meta,
    key: Option<IdempotencyKey>,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Problem> {
    let player = login.recognise(request).await?;
    let ctx = command::context(&meta, &login.entropy);
    let receipt = login
        .store
        .execute(player.id, once(key, &player, &ctx), |state| {
            let plan = log_in::decide(state, &ctx)?;
            let answer = command::answer(200, &nameless(plan.after()));
            Ok(Decision { plan, answer: Some(answer) })
        })
        .await?;
    login.answer(&player, receipt).await
}

impl Login {
    /// The player whose name and password these are. An unknown name costs as much
    /// time as a wrong password.
    async fn recognise(&self, request: LoginRequest) -> Result<Player, Problem> {
        let found = self.store.login(&request.site_id).await?;
        let hash = found.as_ref().map(|found| found.password_hash.clone());
        let verdict =
            self.hasher.verify(request.password, hash).await.map_err(Problem::internal)?;
        match (found, verdict) {
            (Some(found), Verdict::Right { .. }) => Ok(found.player),
            _ => Err(Code::InvalidCredentials.into()),
        }
    }

    /// Rendered each time: the entry keeps what was shown besides names and tokens.
    async fn answer(&self, player: &Player, receipt: Receipt) -> Result<Response, Problem> {
        let (Fact::PlayerLoggedIn { session }, Some(stored)) =
            (receipt.entry.fact, receipt.entry.answer)
        else {
            return Err(Problem::internal("the key of a login leads to another entry"));
        };
        let user: User = serde_json::from_str(&stored.body).map_err(Problem::internal)?;
        let user = User {
            site_id: player.profile.site_id.clone(),
            nickname: player.profile.nickname.clone(),
            ..user
        };
        let must_change_password = user.must_change_password;
        let session = session_answer(&*self.keys.current().await?, session, receipt.entry.at, user);
        let answer = LoginAnswer { session, must_change_password };
        Ok(rendered_answer(StatusCode::OK, &answer, receipt.replayed))
    }
}

/// The user as the entry may keep it: without personal data.
fn nameless(player: &Player) -> User {
    User { site_id: String::new(), nickname: String::new(), ..User::of(player) }
}

fn once(key: Option<IdempotencyKey>, player: &Player, ctx: &Ctx) -> Once {
    match key {
        Some(key) => command::once(key, "auth_login", &player.id),
        // Nobody can repeat this request; the key only settles unknown outcomes.
        None => command::once_by_nature(format!("login:{}:{}", player.id, SessionId::mint(ctx))),
    }
}
