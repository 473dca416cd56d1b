//! `POST /api/auth/login`: a session for a site id (or nickname) and password.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use contract::{
    Code,
    account::User,
    auth::{LoginAnswer, LoginRequest},
    openapi::{DeviceHeader, OptionalIdempotencyHeader, PublicWriteProblems},
};
use domain::{
    Ctx, Fact, Once, PasswordHash, Player, SessionId,
    command::log_in::{self, LogIn},
};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::{Guess, Hasher, JwtKeys, PerAddress, Verdict, session_answer},
    command,
    http::{IdempotencyKey, Json, Meta, app, rendered_answer},
    metrics::{self, LoginLocked},
    secrets::Rotating,
};
use store::{Decision, Receipt, Store, Subject};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// A variable is not set, or no number.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let login = Login {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
        entropy: deps.entropy.clone(),
        per_address: PerAddress::from_env(&deps.env)?,
        stage: deps.env.require("STAGE")?.to_owned(),
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
    per_address: PerAddress,
    stage: String,
    hasher: Hasher,
}

/// Opens a session. Answer and timing do not tell whether the account exists.
#[utoipa::path(
    post, path = "/api/auth/login", operation_id = "auth_login", tag = "auth",
    params(OptionalIdempotencyHeader, DeviceHeader), request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer), PublicWriteProblems)
)]
async fn login(
    State(login): State<Arc<Login>>,
    meta: Meta,
    key: Option<IdempotencyKey>,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Problem> {
    let Login { store, entropy, per_address, .. } = &*login;
    let guess =
        Guess::at_login(store, &request.site_id, meta.source_ip, *per_address, entropy, meta.now);
    guess.begin().await.inspect_err(|refusal| login.count_lock(refusal, &meta))?;
    let Recognised { player, command } = login.recognise(request, &guess, &meta).await?;
    let ctx = command::context(&meta, &login.entropy);
    let once = once(key, &player, &ctx);
    let recorded = store.execute(Subject::system(player.id), once, |state| {
        let plan = log_in::decide(state, &command, &ctx)?;
        let answer = command::answer(200, &nameless(plan.after()));
        Ok(Decision { plan, answer: Some(answer) })
    });
    let (receipt, ()) = tokio::join!(recorded, guess.was_right());
    login.answer(&player, receipt?).await
}

/// Somebody whose password was right.
struct Recognised {
    player: Player,
    command: LogIn,
}

impl Login {
    /// Counts a refusal if it is a lock's: what guessing looks like from outside.
    fn count_lock(&self, refusal: &Problem, meta: &Meta) {
        if refusal.code() == Code::LoginLocked {
            metrics::record(LoginLocked::new(meta.now, self.stage.clone()));
        }
    }

    /// The player whose name and password these are. An unknown name costs as much
    /// time as a wrong password, and is a wrong guess as well.
    async fn recognise(
        &self,
        request: LoginRequest,
        guess: &Guess<'_>,
        meta: &Meta,
    ) -> Result<Recognised, Problem> {
        let found = self.store.login(&request.site_id).await?;
        let hash = found.as_ref().map(|found| found.password_hash.clone());
        let verdict =
            self.hasher.verify(request.password.clone(), hash).await.map_err(Problem::internal)?;
        let (Some(found), Verdict::Right { needs_rehash }) = (found, verdict) else {
            guess.was_wrong().await;
            return Err(Code::InvalidCredentials.into());
        };
        let rehashed = if needs_rehash {
            let hash = self.hasher.hash(request.password, &self.entropy).await;
            Some(PasswordHash(hash.map_err(Problem::internal)?))
        } else {
            None
        };
        let device = meta.device.known_as(&*self.keys.current().await?);
        let command = LogIn { credential: found.credential(), rehashed, device };
        Ok(Recognised { player: found.player, command })
    }

    /// Rendered each time: the entry keeps what was shown besides names and tokens.
    async fn answer(&self, player: &Player, receipt: Receipt) -> Result<Response, Problem> {
        let (Fact::PlayerLoggedIn { session, .. }, Some(stored)) =
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
