//! `/api/auth/email`: where a player gets notices.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Rule, Secret,
    email::{EmailAnswer, EmailConfirmRequest, EmailRequest, EmailStatus},
    openapi::{OptionalIdempotencyHeader, WriteProblems},
};
use domain::{
    Ctx, EmailAddress, Once, OnceKey, PlayerId, Rejection, SessionId, command::change_email,
};
use runtime::{
    Deps, Entropy, Function, Problem,
    auth::{Guess, Hasher, JwtKeys, Verdict, email_token},
    command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, ok, signed_in_app},
    secrets::Rotating,
};
use store::{Decision, Login, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let keys = deps.jwt_keys()?;
    let emails = Emails {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        keys: keys.clone(),
        entropy: deps.entropy.clone(),
        hasher: deps.hasher,
    };
    let routes = router().with_state(Arc::new(emails));
    Ok(Function::http(signed_in_app(routes, &deps, keys)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Emails>> {
    OpenApiRouter::new()
        .routes(guarded(Role::Standard, routes!(give, remove)))
        .routes(guarded(Role::Standard, routes!(confirm)))
}

/// What the function works with.
pub struct Emails {
    store: Store,
    keys: Rotating<JwtKeys>,
    entropy: Entropy,
    hasher: Hasher,
}

/// Gives the caller a mail address, once whoever reads its mails has confirmed it
/// within a day. Wrong guesses at the password lock as those at a change of it do.
#[utoipa::path(
    put, path = "/api/auth/email", operation_id = "account_email", tag = "account",
    params(OptionalIdempotencyHeader), request_body = EmailRequest,
    responses((status = 200, body = EmailAnswer), WriteProblems)
)]
async fn give(
    State(emails): State<Arc<Emails>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(EmailRequest { email, password }): Json<EmailRequest>,
) -> Result<Response, Problem> {
    let Emails { store, keys, entropy, hasher } = &*emails;
    let (player, subject) = (caller.player(), caller.subject());
    let ctx = command::context(&meta, entropy);
    let once = once(key, &*keys.current().await?, player, &email, &ctx);
    // Before anything is guessed: a token that is no longer good guesses nothing.
    let repeated = store.receipt(subject, &once).await?;
    let guess = Guess::at_own_password(store, player, entropy, meta.now);
    guess.begin().await?;
    let login = store.login_of(player).await?;
    let login = login.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
    verify(*hasher, password, &login, &guess).await?;
    if let Some(receipt) = repeated {
        guess.was_right().await;
        return command::answered(receipt);
    }
    let address = EmailAddress::new(email.expose().to_owned());
    let requested = store.execute(subject, once, |state| {
        let plan = change_email::request(state, address.clone(), login.set_by, &ctx)?;
        let confirm_until = Some(change_email::confirm_until(plan.entry().at));
        let answer = EmailAnswer { status: EmailStatus::Pending, confirm_until };
        Ok(Decision { plan, answer: Some(command::answer(200, &answer)) })
    });
    let (receipt, ()) = tokio::join!(requested, guess.was_right());
    match receipt {
        Err(store::Error::Rejected(Rejection::PasswordMoved)) => Err(wrong_password()),
        receipt => command::answered(receipt?),
    }
}

/// Makes the address that waits the caller's, with the token from its mail.
#[utoipa::path(
    post, path = "/api/auth/email/confirm", operation_id = "account_email_confirm",
    tag = "account", request_body = EmailConfirmRequest,
    responses((status = 200, body = EmailAnswer), WriteProblems)
)]
async fn confirm(
    State(emails): State<Arc<Emails>>,
    meta: Meta,
    caller: Caller,
    Json(EmailConfirmRequest { token }): Json<EmailConfirmRequest>,
) -> Result<Response, Problem> {
    let Emails { store, keys, entropy, .. } = &*emails;
    let (player, token) = (caller.player(), token.expose());
    let keys = keys.current().await?;
    let addresses = store.emails(caller.subject()).await?;
    // Also one that is confirmed already: the same token is answered the same.
    let meant = email_token::requested_by(token)
        .and_then(|seq| addresses.requested_by(seq))
        .filter(|email| email_token::proves(&keys, player, email, token))
        .ok_or(Rejection::EmailNotPending)?;
    let ctx = command::context(&meta, entropy);
    let key = change_email::confirmation_key(player, meant.requested_by);
    let receipt = store
        .execute(caller.subject(), command::once_by_nature(key), |state| {
            let plan = change_email::confirm(state, meant, &ctx)?;
            let answer = EmailAnswer { status: EmailStatus::Confirmed, confirm_until: None };
            Ok(Decision { plan, answer: Some(command::answer(200, &answer)) })
        })
        .await?;
    command::answered(receipt)
}

/// Forgets the caller's address, and one that waits. Notices go nowhere from then on.
#[utoipa::path(
    delete, path = "/api/auth/email", operation_id = "account_email_remove", tag = "account",
    responses((status = 200, body = EmailAnswer), WriteProblems)
)]
async fn remove(
    State(emails): State<Arc<Emails>>,
    meta: Meta,
    caller: Caller,
) -> Result<Response, Problem> {
    let Emails { store, entropy, .. } = &*emails;
    let subject = caller.subject();
    let removed = EmailAnswer { status: EmailStatus::Removed, confirm_until: None };
    if store.emails(subject).await?.is_empty() {
        return Ok(ok(&removed));
    }
    let ctx = command::context(&meta, entropy);
    // Repeated, it finds nothing to do. The key settles unknown outcomes.
    let attempt = SessionId::mint(&ctx);
    let once = command::once_by_nature(format!("email-removal:{}:{attempt}", caller.player()));
    store
        .execute(subject, once, |state| {
            Ok(Decision { plan: change_email::remove(state, &ctx)?, answer: None })
        })
        .await?;
    Ok(ok(&removed))
}

async fn verify(
    hasher: Hasher,
    password: Secret,
    login: &Login,
    guess: &Guess<'_>,
) -> Result<(), Problem> {
    let hash = Some(login.password_hash.clone());
    match hasher.verify(password, hash).await.map_err(Problem::internal)? {
        Verdict::Right { .. } => Ok(()),
        Verdict::Wrong => {
            guess.was_wrong().await;
            Err(wrong_password())
        }
    }
}

fn wrong_password() -> Problem {
    Problem::new(Code::WrongPassword).field("/password", Rule::InvalidFormat)
}

/// The request hash is keyed, since the address is personal, and leaves the password
/// out: a quick hash of it must not lie in the table.
fn once(
    key: Option<IdempotencyKey>,
    keys: &JwtKeys,
    player: PlayerId,
    email: &Secret,
    ctx: &Ctx,
) -> Once {
    let Some(key) = key else {
        // Nobody can repeat this request; the key only settles unknown outcomes.
        let attempt = SessionId::mint(ctx);
        return command::once_by_nature(format!("email-request:{player}:{attempt}"));
    };
    let seal = &keys.derive("email-request:1")[0];
    let request_hash =
        command::personal_request_hash(seal, "account_email", &(player, email.expose()));
    Once { key: OnceKey::Header(key.into_string()), request_hash }
}
