//! Parts of the OpenAPI document that many endpoints share.

use std::collections::BTreeMap;

use utoipa::{
    IntoParams, IntoResponses, OpenApi, PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, Content, HeaderBuilder, InfoBuilder, KnownFormat, ObjectBuilder, Ref,
        RefOr, Required, Response, ResponseBuilder, SchemaFormat,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::problem::{FieldError, MEDIA_TYPE, OlderError, Problem};

/// The document every function's routes are merged into: title, the `bearer`
/// security scheme and the shared [`Problem`] schema.
#[must_use]
pub fn base(version: &str) -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    struct Empty;

    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let mut document = Empty::openapi();
    document.info = InfoBuilder::new()
        .title("Casino-Club F2P")
        .version(version)
        .description(Some(
            "A free-to-play casino-style game. Gold is virtual and can never be cashed out.",
        ))
        .build();
    document.components = Some(
        ComponentsBuilder::new()
            .security_scheme("bearer", SecurityScheme::Http(bearer))
            .schema("Problem", Problem::schema())
            .schema("FieldError", FieldError::schema())
            .schema("OlderError", OlderError::schema())
            .build(),
    );
    document
}

/// `params(IdempotencyHeader)`: the key of a request that has to have one.
pub struct IdempotencyHeader;

impl IntoParams for IdempotencyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency(Required::True)]
    }
}

/// `params(OptionalIdempotencyHeader)`: where a natural key does the work, or nothing is
/// moved that must not move twice.
pub struct OptionalIdempotencyHeader;

impl IntoParams for OptionalIdempotencyHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency(Required::False)]
    }
}

/// `params(DeviceHeader)`: what the caller says the device is.
pub struct DeviceHeader;

impl IntoParams for DeviceHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(128))
            .pattern(Some("^[!-~]+$"));
        let header = ParameterBuilder::new()
            .name("X-Device-Fingerprint")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Tells the caller's devices apart, instead of `User-Agent`: players are told of \
                 logins from one that was not seen before. Anything else than 1 to 128 visible \
                 ASCII characters is ignored.",
            ))
            .schema(Some(text));
        vec![header.build()]
    }
}

fn idempotency(required: Required) -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(128))
        .pattern(Some("^[!-~]+$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(
            "The same key and body get the first answer again, byte for byte, with \
             `Idempotency-Replayed: true`. `X-Idempotency-Key` is accepted as an older name.",
        ))
        .schema(Some(text))
        .build()
}

macro_rules! problem_sets {
    ($( $(#[$doc:meta])* $name:ident: $($status:literal)*; )*) => { $(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$($status),*].into_iter().map(|s: u16| (s.to_string(), problem(s).into())).collect()
            }
        }
    )* };
}

problem_sets! {
    /// `responses(.., PublicReadProblems)`: reads that need no login.
    PublicReadProblems: 422 429 500 503;
    /// Writes that need no login.
    PublicWriteProblems: 400 401 409 413 422 429 500 503;
    /// Reads of the caller's own things.
    ReadProblems: 401 403 404 422 429 500 503;
    /// Writes of the caller's own things.
    WriteProblems: 400 401 403 404 409 413 422 429 500 503;
}

fn problem(status: u16) -> Response {
    let description = match status {
        400 => "The request cannot be read.",
        401 => "Not signed in, or the credentials are wrong.",
        403 => "Not allowed.",
        404 => "There is no such thing.",
        409 => "In conflict with what is already there.",
        413 => "The body is over 256 KiB; telemetry, over 32 KiB.",
        422 => "A value or a rule is broken; see `code` and `errors`.",
        429 => "Too many requests; see `Retry-After`.",
        503 => "Try the same request again; see `Retry-After`.",
        _ => "A defect of ours.",
    };
    let body = Content::new(Some(Ref::from_schema_name(Problem::name())));
    let mut response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, body);
    if matches!(status, 429 | 503) {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
        let header =
            HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait."));
        response = response.header("Retry-After", header.build());
    }
    response.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_document_declares_bearer_and_problem() {
        let document = serde_json::to_value(base("1.2.3")).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert!(document["components"]["schemas"]["Problem"]["properties"]["code"].is_object());
        assert!(document["components"]["schemas"]["FieldError"].is_object());
    }

    #[test]
    fn problem_sets_refer_to_the_one_schema() {
        let responses = serde_json::to_value(WriteProblems::responses()).unwrap();
        let schema = &responses["503"]["content"][MEDIA_TYPE]["schema"]["$ref"];
        assert_eq!(schema, "#/components/schemas/Problem");
        assert!(responses["503"]["headers"]["Retry-After"].is_object());
    }
}
