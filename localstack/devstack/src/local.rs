//! What the local stack itself answers, under `/_local/`: not part of the product,
//! and nothing of it is in `template.yaml`.
//!
//! - `GET /_local/status`: how far each trigger is
//! - `POST /_local/schedules/{name}/run`: runs a schedule now; by its own name,
//!   its function's logical id or crate name

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{gateway::LocalApi, triggers::Triggers};

/// The answers, from the running triggers.
pub(crate) struct Local(pub Arc<Triggers>);

#[async_trait]
impl LocalApi for Local {
    async fn answer(&self, method: &Method, path: &str) -> (StatusCode, Value) {
        if method == Method::GET && path == "status" {
            return (StatusCode::OK, self.status().await);
        }
        let schedule = path.strip_prefix("schedules/").and_then(|rest| rest.strip_suffix("/run"));
        match schedule {
            Some(name) if method == Method::POST => match self.0.run_now(name).await {
                Ok(answer) => (StatusCode::OK, answer),
                Err(error) => (StatusCode::NOT_FOUND, json!({ "message": format!("{error:#}") })),
            },
            _ => (StatusCode::NOT_FOUND, json!({ "message": "Not Found" })),
        }
    }
}

impl Local {
    async fn status(&self) -> Value {
        let mappings = self.0.status().await.into_iter().map(|mapping| {
            json!({ "name": mapping.name, "caught_up": mapping.caught_up,
                    "in_flight": mapping.in_flight, "behind": mapping.behind })
        });
        json!({ "idle": self.0.idle().await, "mappings": mappings.collect::<Vec<_>>() })
    }
}
