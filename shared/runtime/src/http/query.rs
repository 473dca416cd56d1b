//! Query strings.

use axum::{extract::FromRequestParts, http::request::Parts};
use garde::Validate;
use serde::de::DeserializeOwned;

use super::json::{pointer, shape_error};
use crate::Problem;

/// The request's query string, read and validated. Anything wrong is 422
/// `validation_failed`, with `/name` of the parameter as pointer.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        let value: T = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
            .map_err(|error| {
                let field = shape_error(pointer(error.path()), &error.inner().to_string());
                Problem::invalid(vec![field])
            })?;
        contract::validate(&value).map_err(Problem::invalid)?;
        Ok(Self(value))
    }
}
