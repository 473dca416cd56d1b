//! Parameters in the path.

use axum::{extract, extract::FromRequestParts, http::request::Parts};
use contract::Code;
use serde::de::DeserializeOwned;

use crate::Problem;

/// A parameter of the request's path. What is no text names nothing: 404 `not_found`.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = extract::Path::from_request_parts(parts, state).await;
        path.map(|extract::Path(parameter)| Self(parameter)).map_err(|_| Code::NotFound.into())
    }
}
