//! What the local stack itself answers, under `/_local/`: not part of the product,
//! and nothing of it is in `template.yaml`.
//!
//! - `GET /_local/status`: how far each trigger is
//! - `POST /_local/schedules/{name}/run`: runs a schedule now; by its own name,
//!   its function's logical id or crate name
//! - `GET /_local/mailbox`: the mails that were sent, newest first, as a page;
//!   `/_local/mailbox.json` the same for programs

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    engine::Engine,
    gateway::{LocalAnswer, LocalApi},
    mailbox,
    triggers::Triggers,
};

/// The answers, from the running triggers and services.
pub(crate) struct Local {
    pub triggers: Arc<Triggers>,
    pub engine: Arc<Engine>,
}

#[async_trait]
impl LocalApi for Local {
    async fn answer(&self, method: &Method, path: &str) -> (StatusCode, LocalAnswer) {
        if method == Method::GET && path == "mailbox" {
            return (StatusCode::OK, LocalAnswer::Html(mailbox::page(&self.engine.mails())));
        }
        let (status, body) = self.json(method, path).await;
        (status, LocalAnswer::Json(body))
    }
}

impl Local {
    async fn json(&self, method: &Method, path: &str) -> (StatusCode, Value) {
        match path {
            "status" if method == Method::GET => return (StatusCode::OK, self.status().await),
            "mailbox.json" if method == Method::GET => {
                return (StatusCode::OK, json!(self.engine.mails()));
            }
            _ => {}
        }
        let schedule = path.strip_prefix("schedules/").and_then(|rest| rest.strip_suffix("/run"));
        match schedule {
            Some(name) if method == Method::POST => match self.triggers.run_now(name).await {
                Ok(answer) => (StatusCode::OK, answer),
                Err(error) => (StatusCode::NOT_FOUND, json!({ "message": format!("{error:#}") })),
            },
            _ => (StatusCode::NOT_FOUND, json!({ "message": "Not Found" })),
        }
    }

    async fn status(&self) -> Value {
        let mappings = self.triggers.status().await.into_iter().map(|mapping| {
            json!({ "name": mapping.name, "caught_up": mapping.caught_up,
                    "in_flight": mapping.in_flight, "behind": mapping.behind })
        });
        json!({ "idle": self.triggers.idle().await, "mappings": mappings.collect::<Vec<_>>() })
    }
}
