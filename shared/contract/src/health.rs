//! `GET /health`

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// What is running and whether it can work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    pub status: HealthStatus,
    pub build_id: String,
    pub git_sha: String,
    pub stage: String,
    /// By dependency: `table`.
    pub dependencies: BTreeMap<String, HealthStatus>,
}

/// Whether something can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    Ok,
    /// Works, but not everything does.
    Degraded,
    Down,
}
