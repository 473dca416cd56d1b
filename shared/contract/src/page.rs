//! Lists, a page at a time.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The query of every list.
#[derive(Clone, Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Most items to answer with.
    #[garde(inner(range(min = 1, max = 100)))]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(inner(length(min = 1, max = 1024)))]
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The page size asked for, or the usual one.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(20)
    }
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Asks for the page after; absent from the last.
    pub next_cursor: Option<String>,
}
