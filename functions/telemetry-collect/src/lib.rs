//! `POST /api/telemetry/events`: what clients tell about themselves, into a stream of
//! its own.

use std::{sync::Arc, time::Duration};

use aws_sdk_kinesis::{config::timeout::TimeoutConfig, primitives::Blob};
use axum::{extract::State, http::StatusCode, response::Response};
use contract::{
    openapi::{OptionalIdempotencyHeader, WriteProblems},
    telemetry::{TELEMETRY_BODY_BYTES, TelemetryAnswer, TelemetryRequest},
};
use domain::telemetry::{Batch, NoisyNames, Told};
use runtime::{
    Deps, Entropy, Function, Problem, command,
    http::{Caller, IdempotencyKey, Json, Meta, Role, guarded, json_answer, signed_in_app},
};
use store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What one attempt at the stream may take, and all of them: the client is to be told to
/// come again well before the gateway gives up.
const ATTEMPT: Duration = Duration::from_secs(1);
const CALL: Duration = Duration::from_secs(3);

/// Builds the function.
///
/// # Errors
/// `TABLE_NAME`, `TELEMETRY_STREAM`, `NOISY_NAMES` or `JWT_KEYS_SECRET` is not set.
pub fn function(deps: Deps) -> Result<Function, runtime::Error> {
    let telemetry = Telemetry {
        store: Store::new(deps.aws(), deps.env.require("TABLE_NAME")?),
        kinesis: aws_sdk_kinesis::Client::from_conf(
            aws_sdk_kinesis::config::Builder::from(deps.aws())
                .timeout_config(
                    TimeoutConfig::builder()
                        .operation_attempt_timeout(ATTEMPT)
                        .operation_timeout(CALL)
                        .build(),
                )
                .build(),
        ),
        stream: deps.env.require("TELEMETRY_STREAM")?.to_owned(),
        noisy: NoisyNames::parse(deps.env.require("NOISY_NAMES")?),
        entropy: deps.entropy.clone(),
    };
    let routes = router().with_state(Arc::new(telemetry));
    Ok(Function::http(signed_in_app(routes, &deps, deps.jwt_keys()?)))
}

/// The function's routes.
pub fn router() -> OpenApiRouter<Arc<Telemetry>> {
    OpenApiRouter::new().routes(guarded(Role::Standard, routes!(collect)))
}

/// What the function works with.
pub struct Telemetry {
    store: Store,
    kinesis: aws_sdk_kinesis::Client,
    stream: String,
    noisy: NoisyNames,
    entropy: Entropy,
}

/// Takes up to 50 events. With an `Idempotency-Key` they are kept once however often they
/// are sent; other events under the same key are kept as well, so that none is lost.
#[utoipa::path(
    post, path = "/api/telemetry/events", operation_id = "telemetry_collect", tag = "telemetry",
    params(OptionalIdempotencyHeader), request_body = TelemetryRequest,
    responses((status = 202, body = TelemetryAnswer), WriteProblems)
)]
async fn collect(
    State(telemetry): State<Arc<Telemetry>>,
    meta: Meta,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Json(request): Json<TelemetryRequest, TELEMETRY_BODY_BYTES>,
) -> Result<Response, Problem> {
    telemetry.store.player(caller.subject()).await?;
    let ctx = command::context(&meta, &telemetry.entropy);
    let sent = request.events.len();
    // The contract lets no time through that is none.
    let told = request.events.into_iter().filter_map(|event| {
        Some(Told { client_ts: event.ts.instant()?, name: event.name, meta: event.meta })
    });
    let key = key.as_ref().map(IdempotencyKey::as_str);
    let batch = Batch::of(&ctx, caller.player(), key, told, &telemetry.noisy);
    let accepted = batch.events.len();
    if accepted > 0 {
        telemetry.put(&batch).await?;
    }
    let count = |events: usize| u8::try_from(events).expect("at most 50 events");
    let answer = TelemetryAnswer { accepted: count(accepted), sampled_out: count(sent - accepted) };
    Ok(json_answer(StatusCode::ACCEPTED, &answer))
}

impl Telemetry {
    async fn put(&self, batch: &Batch) -> Result<(), Problem> {
        self.kinesis
            .put_record()
            .stream_name(&self.stream)
            .partition_key(batch.user_id.to_string())
            .data(Blob::new(serde_json::to_vec(batch).expect("batches serialize")))
            .send()
            .await
            .map_err(Problem::unavailable)?;
        Ok(())
    }
}
