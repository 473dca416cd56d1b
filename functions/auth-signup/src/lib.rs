//! `POST /api/auth/signup`: a new player with starting gold and a first session.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use contract::{
    account::User,
    auth::{SignupAnswer, SignupRequest},
    openapi::{DeviceHeader, OptionalIdempotencyHeader, PublicWriteProblems},
};
use domain::{
    Ctx, Fact, Invite, Once, OnceKey, PasswordHash, Player, PlayerId, Profile, Rejection, Role,
    command::sign_up::{self, Policy, SignUp},
};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::{Hasher, JwtKeys, Verdict, session_answer},
    command,
    http::{IdempotencyKey, Json, Meta, app, deprecated, rendered_answer},
    secrets::Rotating,
};
use store::{Decision, Receipt, Store, Subject};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `JWT_KEYS_SECRET` or `MINIMUM_AGE_YEARS` is not set or no number.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let signup = Signup {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: deps.jwt_keys()?,
        entropy: deps.entropy.clone(),
        hasher: deps.hasher,
        policy: Policy {
            unlimited_invite_code: deps.env.get("UNLIMITED_INVITE_CODE").map(str::to_owned),
            minimum_age_years: deps.env.require("MINIMUM_AGE_YEARS")?.parse()?,
        },
    };
    Ok(Function::http(app(router().with_state(Arc::new(signup)), &deps)))
}

/// The function's routes.
#[expect(deprecated, reason = "the older name is still served")]
pub fn router() -> OpenApiRouter<Arc<Signup>> {
    OpenApiRouter::new()
        .routes(routes!(signup))
        .routes(routes!(register).map(|route| deprecated(route, "/api/auth/signup")))
}

/// What the function works with.
pub struct Signup {
    store: Store,
    keys: Rotating<JwtKeys>,
    entropy: Entropy,
    hasher: Hasher,
    policy: Policy,
}

/// Creates a player with 1,000 starting gold.
#[utoipa::path(
    post, path = "/api/auth/signup", operation_id = "auth_signup", tag = "auth",
    params(OptionalIdempotencyHeader, DeviceHeader), request_body = SignupRequest,
    responses((status = 201, body = SignupAnswer), PublicWriteProblems)
)]
async fn signup(
    State(signup): State<Arc<Signup>>,
    meta: Meta,
    key: Option<IdempotencyKey>,
    Json(request): Json<SignupRequest>,
) -> Result<Response, Problem> {
    signup.create(&meta, key, request).await
}

/// The older name of signup.
#[utoipa::path(
    post, path = "/api/auth/register", operation_id = "auth_register", tag = "auth",
    params(OptionalIdempotencyHeader, DeviceHeader), request_body = SignupRequest,
    responses((status = 201, body = SignupAnswer), PublicWriteProblems)
)]
#[deprecated(note = "use `/api/auth/signup`")]
async fn register(
    State(signup): State<Arc<Signup>>,
    meta: Meta,
    key: Option<IdempotencyKey>,
    Json(request): Json<SignupRequest>,
) -> Result<Response, Problem> {
    signup.create(&meta, key, request).await
}

impl Signup {
    async fn create(
        &self,
        meta: &Meta,
        key: Option<IdempotencyKey>,
        request: SignupRequest,
    ) -> Result<Response, Problem> {
        let ctx = command::context(meta, &self.entropy);
        let keys = self.keys.current().await?;
        let command = SignUp {
            site_id: request.site_id,
            nickname: request.nickname,
            role: Role::Standard,
            invite_code: request.invite_code,
            birth_date: request.birth_date,
            must_change_password: false,
            device: meta.device.known_as(&keys).first().copied(),
        };
        let (id, once) = (PlayerId::mint(&ctx), once(key, &command, &keys, &ctx));
        // Before the costly part; `decide` and the commit ask again.
        let invite = self.invite(&command.invite_code).await?;
        if let Err(rejection) = command.admit(&self.policy, invite.as_ref(), &ctx) {
            // The use that let this very player in may have been the code's last. Without
            // a key of theirs nobody repeats anything.
            let OnceKey::Anonymous(_) = once.key else { return Err(rejection.into()) };
            let receipt = self.store.receipt(Subject::system(id), &once).await?;
            let receipt = receipt.ok_or(rejection)?;
            self.check_owner(&command, &receipt, request.password).await?;
            return self.answer(command, &receipt, &keys);
        }
        let hash = self
            .hasher
            .hash(request.password.clone(), &self.entropy)
            .await
            .map_err(Problem::internal)?;
        let receipt = self
            .store
            .create(id, once, || {
                let hash = PasswordHash(hash.clone());
                let plan = sign_up::decide(&command, hash, &self.policy, invite.as_ref(), &ctx)?;
                Ok(Decision { plan, answer: None })
            })
            .await?;
        if receipt.replayed {
            self.check_owner(&command, &receipt, request.password).await?;
        }
        self.answer(command, &receipt, &keys)
    }

    /// The invite with this code; the unlimited code is none.
    async fn invite(&self, code: &str) -> Result<Option<Invite>, Problem> {
        if self.policy.unlimited_invite_code.as_deref() == Some(code) {
            return Ok(None);
        }
        Ok(self.store.invite(code).await?)
    }

    /// The request hash leaves the password out: not even a keyed hash of it that is
    /// quick must lie in the table. So whoever repeats the request shows that they know
    /// it.
    async fn check_owner(
        &self,
        command: &SignUp,
        receipt: &Receipt,
        password: contract::Secret,
    ) -> Result<(), Problem> {
        let login = self.store.login(&command.site_id).await?;
        let login = login.filter(|login| login.player.id == receipt.entry.player);
        let hash = login.map(|login| login.password_hash);
        match self.hasher.verify(password, hash).await.map_err(Problem::internal)? {
            Verdict::Right { .. } => Ok(()),
            Verdict::Wrong => Err(store::Error::KeyReused.into()),
        }
    }

    /// Rendered from entry and request each time: entries hold neither tokens nor
    /// names. The same entry and request make the same bytes.
    fn answer(
        &self,
        command: SignUp,
        receipt: &Receipt,
        keys: &JwtKeys,
    ) -> Result<Response, Problem> {
        let Fact::PlayerSignedUp { session, .. } = receipt.entry.fact else {
            return Err(Problem::internal("the key of a signup leads to another entry"));
        };
        let profile = Profile {
            site_id: command.site_id,
            nickname: command.nickname,
            role: command.role,
            must_change_password: command.must_change_password,
            erased: false,
        };
        let player = Player::unborn(receipt.entry.player, profile)
            .apply(&receipt.entry)
            .map_err(|overflow| Problem::from(Rejection::from(overflow)))?;
        let answer = session_answer(keys, session, receipt.entry.at, User::of(&player));
        Ok(rendered_answer(StatusCode::CREATED, &answer, receipt.replayed))
    }
}

fn once(key: Option<IdempotencyKey>, command: &SignUp, keys: &JwtKeys, ctx: &Ctx) -> Once {
    let Some(key) = key else {
        // Nobody can repeat this request; the key only settles unknown outcomes.
        return command::once_by_nature(format!("signup:{}", PlayerId::mint(ctx)));
    };
    let body = (&command.site_id, &command.nickname, &command.invite_code, command.birth_date);
    let seal = &keys.derive("signup-request:1")[0];
    Once {
        key: OnceKey::Anonymous(key.into_string()),
        request_hash: command::personal_request_hash(seal, "auth_signup", &body),
    }
}
