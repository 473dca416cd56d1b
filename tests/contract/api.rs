//! The HTTP API as a document: complete, true, and never broken for clients.

use std::collections::BTreeSet;

use runtime::http::REQUIRED_ROLE;
use serde_json::{Map, Value, json};

use crate::{
    breaking,
    snapshot::{self, Update, assert_snapshot},
};

const SNAPSHOT: &str = "infra/openapi.json";

/// Operations for everybody: what they need is in the request, or they say nothing
/// of anybody.
const PUBLIC: [&str; 13] = [
    "GET /api/auth/health",
    "GET /api/metrics/global",
    "GET /api/metrics/stream",
    "GET /api/shop/catalog",
    "GET /api/shop/items",
    "GET /health",
    "GET /openapi.json",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "POST /api/auth/register",
    "POST /api/auth/signup",
    "POST /api/games/fairness/verify",
    "POST /api/shop/webhook/payment",
];

/// Operations that a player's role is not enough for, with the lowest that is.
const STAFF: [(&str, &str); 18] = [
    ("POST /api/admin/invite-codes", "operator"),
    ("POST /api/dev/reset/{site_id}", "admin"),
    ("GET /api/admin/fraud/audit", "operator"),
    ("GET /api/admin/fraud/rules", "operator"),
    ("PUT /api/admin/fraud/rules", "operator"),
    ("POST /api/admin/fraud/rules/test", "operator"),
    ("POST /api/admin/limited-packages", "operator"),
    ("POST /api/admin/limited-packages/{code}/promo-codes", "operator"),
    ("POST /api/admin/webhooks/endpoints", "operator"),
    ("GET /api/admin/webhooks/endpoints", "operator"),
    ("PUT /api/admin/webhooks/endpoints/{id}", "operator"),
    ("DELETE /api/admin/webhooks/endpoints/{id}", "operator"),
    ("POST /api/admin/webhooks/endpoints/{id}/rotate-secret", "operator"),
    ("GET /api/admin/webhooks/deliveries", "operator"),
    ("POST /api/admin/webhooks/replay/{id}", "operator"),
    ("GET /api/admin/dead-letters", "operator"),
    ("POST /api/admin/dead-letters/{id}/replay", "operator"),
    ("GET /api/olap/health", "operator"),
];

fn generated() -> Value {
    serde_json::to_value(devstack::functions::openapi()).expect("the document serializes")
}

/// Every operation as `METHOD /path`, with its description.
fn operations(document: &Value) -> Vec<(String, Value)> {
    let empty = Map::new();
    let object = |value: &Value| value.as_object().unwrap_or(&empty).clone();
    let paths = object(&document["paths"]).into_iter();
    paths
        .flat_map(|(path, item)| {
            object(&item).into_iter().map(move |(method, operation)| {
                (format!("{} {path}", method.to_uppercase()), operation)
            })
        })
        .collect()
}

#[test]
fn the_document_breaks_no_client_and_is_the_committed_one() {
    let committed: Value = serde_json::from_str(&snapshot::read(SNAPSHOT)).unwrap_or_default();
    let broken = breaking::changes(&committed, &generated());
    assert!(
        broken.is_empty() || Update::allowed() == Update::Breaking,
        "this breaks clients:\n  {}\nKeep the old way beside the new one. If nobody can be using \
         it yet, run: UPDATE_SNAPSHOTS=breaking cargo test -p tests --test contract",
        broken.join("\n  ")
    );
    assert_snapshot(SNAPSHOT, &generated());
}

#[tokio::test]
async fn the_document_and_the_template_have_the_same_routes() {
    let stack = tests::stack().await;
    let routes = stack.spec().http_routes.iter().filter(|route| route.path != "$default");
    let deployed: BTreeSet<_> =
        routes.map(|route| format!("{} {}", route.method, route.path)).collect();
    let described: BTreeSet<_> = operations(&generated()).into_iter().map(|(op, _)| op).collect();
    assert_eq!(deployed, described, "template.yaml | functions' routers");
    let defaults = stack.spec().http_routes.iter().filter(|route| route.path == "$default");
    assert_eq!(defaults.count(), 1, "what no route matches is a problem, too");
}

#[test]
fn every_operation_names_the_role_it_asks_for_or_is_listed_as_public() {
    let mut public = Vec::new();
    for (name, operation) in operations(&generated()) {
        let role = &operation[REQUIRED_ROLE];
        if operation["security"].is_null() {
            assert!(role.is_null(), "{name} asks for a role and no token");
            public.push(name);
            continue;
        }
        assert_eq!(operation["security"], json!([{ "bearer": [] }]), "{name}");
        let staff = STAFF.iter().find(|(of, _)| *of == name);
        assert_eq!(*role, staff.map_or("standard", |(_, role)| role), "{name}");
    }
    public.sort();
    assert_eq!(public, PUBLIC);
}

#[test]
fn every_operation_says_which_problems_it_answers_with() {
    for (name, operation) in operations(&generated()) {
        // What the product says of itself has nothing to refuse.
        if operation["tags"] == json!(["operations"]) {
            continue;
        }
        let mut expected = vec!["422", "429", "500", "503"];
        if !operation["security"].is_null() {
            expected.extend(["401", "403"]);
        }
        if !operation["requestBody"].is_null() {
            expected.extend(["400", "413"]);
        }
        if !name.starts_with("GET ") {
            expected.push("409");
        }
        for status in expected {
            let schema =
                &operation["responses"][status]["content"]["application/problem+json"]["schema"];
            assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{name} {status}");
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_a_success() {
    let mut names = BTreeSet::new();
    for (name, operation) in operations(&generated()) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && names.insert(id), "{name} has no name of its own");
        assert!(operation["summary"].is_string() || operation["description"].is_string(), "{name}");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    found.insert(reference.to_owned());
                }
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let (document, mut found) = (generated(), BTreeSet::new());
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn what_must_not_happen_twice_requires_a_key_and_operators_may_give_one() {
    for (name, operation) in operations(&generated()) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let key = parameters.iter().find(|parameter| parameter["name"] == "Idempotency-Key");
        let required = key.is_some_and(|key| key["required"] == true);
        let ends = ["spin", "buy", "purchase", "rotate", "rotate-secret"];
        let expected = ends.iter().any(|end| name.ends_with(end));
        assert_eq!(required, expected, "{name}");
        let changes = name.contains(" /api/admin/") && !name.starts_with("GET");
        // Trying rules out changes nothing.
        if changes && !name.ends_with("/rules/test") {
            assert!(key.is_some(), "{name}");
        }
    }
}
