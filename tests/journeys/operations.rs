//! Every operation that the product says it has, each with a request that it takes.

use reqwest::Method;
use serde_json::{Map, Value, json};
use tests::{Api, Call, PASSWORD, Player, fresh_name};

/// One method of one path.
pub struct Operation {
    pub method: Method,
    /// With names in braces for what differs from call to call.
    pub path: String,
    /// The lowest role that may call it; `None` for everybody.
    pub role: Option<String>,
    /// A body by the examples of its schema, if it takes one.
    body: Option<Value>,
}

/// What `/openapi.json` lists.
pub async fn operations(api: &Api) -> Vec<Operation> {
    let document = api.get("/openapi.json").await.ok();
    let mut listed = Vec::new();
    for (path, operations) in members(&document["paths"]) {
        for (method, operation) in members(operations) {
            let role = operation["x-required-role"].as_str().map(str::to_owned);
            assert_eq!(role.is_some(), !operation["security"].is_null(), "{method} {path}");
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            listed.push(Operation {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                role,
                body: schema.map(|schema| example(&document, "", schema)),
            });
        }
    }
    assert!(listed.len() >= 25, "{}", listed.len());
    listed
}

/// Those that somebody must be signed in for.
pub async fn guarded(api: &Api) -> Vec<Operation> {
    let mut operations = operations(api).await;
    operations.retain(|operation| operation.role.is_some());
    assert!(operations.len() >= 20, "{}", operations.len());
    operations
}

impl Operation {
    /// A call that is right in form and about `player`, by `caller`.
    pub fn call(&self, caller: &Api, player: &Player) -> Call {
        let path = self.path.replace("{site_id}", &player.site_id).replace("{id}", &player.id);
        let path = path.replace("{receipt}", &player.id).replace("{code}", "nothing");
        assert!(!path.contains('{'), "who knows what to put into {path}");
        let call = caller.call(self.method.clone(), &path).key(&fresh_name());
        match &self.body {
            Some(body) => call.body(body.to_string()),
            None => call,
        }
    }

    /// The same with a body of no meaning.
    pub fn empty_call(&self, caller: &Api) -> Call {
        let path = self.path.replace(['{', '}'], "");
        caller.call(self.method.clone(), &path).key("empty").body("{}")
    }

    /// For messages.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// A value of the schema: its example, or the least there is.
fn example(document: &Value, name: &str, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return example(document, name, document.pointer(pointer).expect("a schema"));
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let properties = required.filter_map(Value::as_str).map(|name| {
                (name.to_owned(), example(document, name, &schema["properties"][name]))
            });
            Value::Object(properties.collect())
        }
        Some("array") if schema["minItems"].is_null() => json!([]),
        Some("array") => json!([example(document, name, &schema["items"])]),
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("string") if schema["format"] == "date-time" => json!("2999-01-01T00:00:00Z"),
        // What else has no example is a secret.
        Some("string") if name.contains("new") => json!("another-horse-9"),
        Some("string") => json!(PASSWORD),
        None if schema["oneOf"].is_array() => example(document, name, &schema["oneOf"][0]),
        // Anything, as far as the document knows.
        None if schema.as_object().is_none_or(Map::is_empty) => json!({}),
        _ => panic!("no example of {name}: {schema}"),
    }
}
