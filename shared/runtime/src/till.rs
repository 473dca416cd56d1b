//! From what came of a request to buy to its answer, its count, and what the player's
//! sockets are told of it.

use axum::response::Response;
use contract::Code;
use domain::{Frame, PlayerId, Refusal, refused_purchase, repeated_purchase};
use store::Receipt;

use crate::{
    Deps, MissingVariable, Problem, chain, command,
    http::Meta,
    metrics,
    push::{Message, Queue},
};

/// Where requests to buy are answered.
#[derive(Clone)]
pub struct Till {
    push: Queue,
}

/// A request to buy.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How it is paid for: `gold`, `money`, `limited`.
    pub flow: &'static str,
    pub player: PlayerId,
    pub product: String,
    pub quantity: u32,
}

impl Till {
    /// # Errors
    /// `PUSH_QUEUE_URL` is not set.
    pub fn new(deps: &Deps) -> Result<Self, MissingVariable> {
        Ok(Self { push: Queue::impatient(deps)? })
    }

    /// Answers a request. A purchase that was made is told by its entry; one that was
    /// refused, or was made before, has none, so it is told from here: once, to the
    /// sockets that are open. If that cannot be done, the answer is the same.
    ///
    /// # Errors
    /// What came of the request.
    pub async fn answer(
        &self,
        meta: &Meta,
        asked: &Asked,
        came: Result<Receipt, Problem>,
    ) -> Result<Response, Problem> {
        metrics::attempt_to_buy(asked.flow, &came);
        if let Some((reason, frame)) = untold(asked, &came, meta) {
            // Once a second is enough for who tries the same again and again.
            let message = Message::say(&frame, format!("{reason}:{}", meta.now.as_second()));
            if let Err(error) = self.push.send(&[message]).await {
                tracing::warn!(player = %asked.player, error = chain(&error), "told nobody");
            }
        }
        command::answered(came?)
    }
}

/// The frame of what no entry tells of, and why there is none.
fn untold(
    asked: &Asked,
    came: &Result<Receipt, Problem>,
    meta: &Meta,
) -> Option<(&'static str, Frame)> {
    let Asked { player, product, quantity, .. } = asked;
    let Meta { now, trace_id, .. } = meta;
    match came {
        Ok(receipt) if receipt.replayed => {
            Some(("replayed", repeated_purchase(&receipt.entry, *now, trace_id)?))
        }
        Ok(_) => None,
        Err(problem) => {
            let code = problem.code();
            let refusal = refusal(code)?;
            let frame = refused_purchase(*player, product, *quantity, refusal, *now, trace_id);
            Some((code.as_str(), frame))
        }
    }
}

/// What a problem is as a [`Refusal`], if it is one.
fn refusal(code: Code) -> Option<Refusal> {
    match code {
        Code::InsufficientFunds => Some(Refusal::ShortOfGold),
        Code::IdempotencyKeyReused | Code::PaymentTokenRequired | Code::ValidationFailed => None,
        _ => matches!(code.status(), 404 | 409 | 422).then(|| Refusal::Other(code.as_str())),
    }
}
