//! `POST /api/admin/invite-codes`: a new invite code.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use contract::{
    Code, Rule,
    admin::{IssueInviteAnswer, IssueInviteRequest},
    openapi::{OptionalIdempotencyHeader, WriteProblems},
};
use domain::{Ctx, Invite, command::issue_invite};
use jiff::{SignedDuration, Timestamp};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, signed_in_app},
};
use store::{Decision, Store};
use utoipa_axum::{router::OpenApiRouter, routes};

/// How far ahead a code may expire.
const LONGEST: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Characters that nobody takes for another: no `0`, `O`, `1` or `I`. Their number
/// divides 256, so that every one is as likely as the others.
const UNAMBIGUOUS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let invites = Invites {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(invites));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Invites>> {
    OpenApiRouter::new().routes(guarded(Role::Operator, routes!(issue)))
}

/// What the function works with.
pub struct Invites {
    store: Store,
    entropy: Entropy,
}

/// Makes an invite code that lets a number of players in until it expires. Who made
/// it and why stands in the operator's journal.
#[utoipa::path(
    post, path = "/api/admin/invite-codes", operation_id = "invite_issue", tag = "admin",
    params(OptionalIdempotencyHeader), request_body = IssueInviteRequest,
    responses((status = 201, body = IssueInviteAnswer), WriteProblems)
)]
async fn issue(
    State(invites): State<Arc<Invites>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(request): Json<IssueInviteRequest>,
) -> Result<Response, Problem> {
    let ctx = command::context(&meta, &invites.entropy);
    let once = command::once_or_anew(key, "invite_issue", &request, &ctx);
    let code = request.code.unwrap_or_else(|| random_code(&invites.entropy));
    let invite = Invite { code, uses_left: request.uses, expires_at: whole(request.expires_at) };
    // Asked within the decision: a repeated request is answered, however late it comes.
    let receipt = invites
        .store
        .execute_if(caller.subject(), once, |operator| {
            if out_of_range(invite.expires_at, &ctx).is_some() {
                return Ok(None);
            }
            let plan = issue_invite::decide(operator, &invite, &request.reason, &ctx)?;
            let Invite { code, uses_left: uses, expires_at } = invite.clone();
            let answer = command::answer(201, &IssueInviteAnswer { code, uses, expires_at });
            Ok(Some(Decision { plan, answer: Some(answer) }))
        })
        .await?;
    match (receipt, out_of_range(invite.expires_at, &ctx)) {
        (Some(receipt), _) => command::answered(receipt),
        (None, rule) => {
            let rule = rule.unwrap_or(Rule::InvalidFormat);
            Err(Problem::new(Code::ValidationFailed).field("/expires_at", rule))
        }
    }
}

/// What is wrong with the end of an invite, if it is not after now and within a year.
fn out_of_range(expires_at: Timestamp, ctx: &Ctx) -> Option<Rule> {
    let latest = whole(ctx.now.checked_add(LONGEST).unwrap_or(Timestamp::MAX));
    if expires_at <= ctx.now {
        Some(Rule::TooSmall(ctx.now.to_string()))
    } else if expires_at > latest {
        Some(Rule::TooLarge(latest.to_string()))
    } else {
        None
    }
}

/// Without the fraction of a second.
fn whole(at: Timestamp) -> Timestamp {
    at - SignedDuration::from_nanos(i64::from(at.subsec_nanosecond()))
}

fn random_code(entropy: &Entropy) -> String {
    let of = |byte: u8| char::from(UNAMBIGUOUS[usize::from(byte) % UNAMBIGUOUS.len()]);
    entropy.bytes::<10>().into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn an_invite_ends_after_now_and_within_a_year() {
        let now = at("2026-11-21T12:00:00.5Z");
        let ctx = Ctx { now, seed: [0; 32], trace_id: String::new() };
        let rule = |text| out_of_range(whole(at(text)), &ctx);
        let too_early = Some(Rule::TooSmall("2026-11-21T12:00:00.5Z".to_owned()));
        let too_late = Some(Rule::TooLarge("2027-11-21T12:00:00Z".to_owned()));
        assert_eq!(rule("2026-11-21T12:00:00.9Z"), too_early, "whole seconds count");
        assert_eq!(rule("2026-11-21T12:00:01Z"), None);
        assert_eq!(rule("2027-11-21T12:00:00.9Z"), None);
        assert_eq!(rule("2027-11-21T12:00:01Z"), too_late);
        assert_eq!(rule("-009990-01-01T00:00:00.1Z"), too_early);
    }

    #[test]
    fn a_random_code_has_ten_characters_that_nobody_takes_for_others() {
        let code = random_code(&Entropy::new(|bytes| {
            for (byte, n) in bytes.iter_mut().zip(29_u8..) {
                *byte = n;
            }
        }));
        assert_eq!(code, "XYZ2345678");
        assert!(!UNAMBIGUOUS.iter().any(|c| b"01IO".contains(c)));
    }
}
