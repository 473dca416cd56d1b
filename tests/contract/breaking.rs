//! Which changes of an OpenAPI document break clients that exist.
//!
//! A path, method or answer that is gone; a type that is
//! another; something that requests must have and did not; something that answers
//! had and no longer promise. Additions break nobody.

use contract::auth::Role;
use runtime::http::REQUIRED_ROLE;
use serde_json::{Map, Value};

/// Which way a body travels; the same change means different things.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

/// Every breaking change from `old` to `new`, in words.
pub fn changes(old: &Value, new: &Value) -> Vec<String> {
    let mut check = Check { old, new, found: Vec::new(), seen: Vec::new() };
    for (path, item) in members(&old["paths"]) {
        for (method, operation) in members(item) {
            let name = format!("{} {path}", method.to_uppercase());
            let now = &new["paths"][path][method];
            if now.is_null() {
                check.found.push(format!("{name} is gone"));
            } else {
                check.operation(&name, operation, now);
            }
        }
    }
    check.found
}

struct Check<'a> {
    old: &'a Value,
    new: &'a Value,
    found: Vec<String>,
    /// Pairs of references on the way down, so that recursion ends.
    seen: Vec<(&'a str, &'a str)>,
}

impl<'a> Check<'a> {
    fn operation(&mut self, name: &str, old: &'a Value, new: &'a Value) {
        if old["security"].is_null() && !new["security"].is_null() {
            self.found.push(format!("{name} needs a login"));
        } else if rank(new) > rank(old) {
            let role = text(&new[REQUIRED_ROLE]);
            self.found.push(format!("{name} newly needs the role {role}"));
        }
        for parameter in items(&new["parameters"]) {
            let same = |other: &&Value| {
                other["name"] == parameter["name"] && other["in"] == parameter["in"]
            };
            let at = format!("{name} parameter {}", text(&parameter["name"]));
            let before = items(&old["parameters"]).iter().find(same);
            let required = |of: &Value| of["required"] == true;
            if required(parameter) && !before.is_some_and(required) {
                self.found.push(format!("{at} is newly required"));
            }
            if let Some(before) = before {
                self.schema(&at, Way::Request, &before["schema"], &parameter["schema"]);
            }
        }
        let (before, now) = (&old["requestBody"], &new["requestBody"]);
        if before.is_null() && now["required"] == true {
            self.found.push(format!("{name} newly requires a body"));
        }
        self.contents(&format!("{name} request"), Way::Request, before, now);
        for (status, answer) in members(&old["responses"]) {
            let at = format!("{name} {status}");
            match &new["responses"][status] {
                Value::Null if status.starts_with('2') => {
                    self.found.push(format!("{at} is gone"));
                }
                Value::Null => {}
                now => self.contents(&at, Way::Answer, answer, now),
            }
        }
    }

    fn contents(&mut self, at: &str, way: Way, old: &'a Value, new: &'a Value) {
        for (media_type, content) in members(&old["content"]) {
            match &new["content"][media_type] {
                Value::Null => self.found.push(format!("{at} as {media_type} is gone")),
                now => self.schema(at, way, &content["schema"], &now["schema"]),
            }
        }
    }

    fn schema(&mut self, at: &str, way: Way, old: &'a Value, new: &'a Value) {
        let references = (text(&old["$ref"]), text(&new["$ref"]));
        if references != ("", "") {
            if !self.seen.contains(&references) {
                self.seen.push(references);
                let (old, new) = (resolved(self.old, old), resolved(self.new, new));
                self.schema(at, way, old, new);
                self.seen.pop();
            }
            return;
        }
        for word in ["type", "format", "const"] {
            if old[word] != new[word] {
                let (was, is) = (&old[word], &new[word]);
                self.found.push(format!("{at}: {word} was {was} and is {is}"));
            }
        }
        let values = |of: &Value| items(&of["enum"]).to_vec();
        let (before, now) = match way {
            Way::Request => (values(old), values(new)),
            Way::Answer => (values(new), values(old)),
        };
        // A request may say less than before; an answer may say more than was known.
        if !now.is_empty() && before.iter().any(|value| !now.contains(value)) {
            self.found.push(format!("{at}: other values than before"));
        }
        self.properties(at, way, old, new);
        if !old["items"].is_null() {
            self.schema(&format!("{at}[]"), way, &old["items"], &new["items"]);
        }
        for word in ["allOf", "oneOf", "anyOf"] {
            let (before, now) = (items(&old[word]), items(&new[word]));
            if before.len() != now.len() {
                self.found.push(format!("{at}: {word} has other parts"));
            }
            for (before, now) in before.iter().zip(now) {
                self.schema(at, way, before, now);
            }
        }
    }

    fn properties(&mut self, at: &str, way: Way, old: &'a Value, new: &'a Value) {
        for (name, property) in members(&old["properties"]) {
            match &new["properties"][name] {
                Value::Null => self.found.push(format!("{at}/{name} is gone")),
                now => self.schema(&format!("{at}/{name}"), way, property, now),
            }
        }
        let required = |of: &'a Value| items(&of["required"]).iter().map(text);
        match way {
            Way::Request => {
                for name in required(new).filter(|name| !required(old).any(|had| had == *name)) {
                    self.found.push(format!("{at}/{name} is newly required"));
                }
            }
            Way::Answer => {
                for name in required(old).filter(|name| !required(new).any(|has| has == *name)) {
                    self.found.push(format!("{at}/{name} is no longer promised"));
                }
            }
        }
    }
}

/// The role an operation asks for: any player's if it does not say; one that nobody
/// knows counts as the highest.
fn rank(operation: &Value) -> Role {
    match &operation[REQUIRED_ROLE] {
        Value::Null => Role::Standard,
        role => serde_json::from_value(role.clone()).unwrap_or(Role::Admin),
    }
}

/// What a reference leads to, or the schema itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = text(&schema["$ref"]).strip_prefix('#');
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{REQUIRED_ROLE, changes};

    fn document() -> Value {
        json!({
            "paths": { "/spin": { "post": {
                "parameters": [{ "name": "Key", "in": "header", "required": false,
                                 "schema": { "type": "string" } }],
                "requestBody": { "required": true, "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Spin" } } } },
                "responses": { "200": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Round" } } } } },
            } } },
            "components": { "schemas": {
                "Spin": { "type": "object", "required": ["bet"], "properties": {
                    "bet": { "type": "integer", "format": "int64" },
                    "game": { "type": "string", "enum": ["slot", "rps"] } } },
                "Round": { "type": "object", "required": ["reels", "next"], "properties": {
                    "reels": { "type": "array", "items": { "type": "string" } },
                    "state": { "type": "string", "enum": ["open", "settled"] },
                    "next": { "$ref": "#/components/schemas/Round" } } },
            } },
        })
    }

    /// What is said of a change at a place of the document.
    fn after(pointer: &str, value: Value) -> Vec<String> {
        let mut new = document();
        *new.pointer_mut(pointer).expect("a place of the document") = value;
        changes(&document(), &new)
    }

    #[test]
    fn nothing_changed_breaks_nothing() {
        assert_eq!(changes(&document(), &document()), [""; 0]);
    }

    #[test]
    fn a_path_or_method_that_is_gone_breaks() {
        assert_eq!(after("/paths", json!({})), ["POST /spin is gone"]);
        assert_eq!(after("/paths/~1spin", json!({ "get": {} })), ["POST /spin is gone"]);
    }

    #[test]
    fn a_changed_type_breaks_both_ways() {
        let spin = "/components/schemas/Spin/properties/bet";
        assert_eq!(
            after(spin, json!({ "type": "string", "format": "int64" })),
            [r#"POST /spin request/bet: type was "integer" and is "string""#]
        );
        let reels = "/components/schemas/Round/properties/reels/items";
        assert_eq!(
            after(reels, json!({ "type": "integer" })),
            [r#"POST /spin 200/reels[]: type was "string" and is "integer""#]
        );
    }

    #[test]
    fn what_requests_newly_need_breaks() {
        let required = "/components/schemas/Spin/required";
        assert_eq!(
            after(required, json!(["bet", "game"])),
            ["POST /spin request/game is newly required"]
        );
        assert_eq!(
            after("/paths/~1spin/post/parameters/0/required", json!(true)),
            ["POST /spin parameter Key is newly required"]
        );
        let mut guarded = document();
        guarded["paths"]["/spin"]["post"]["security"] = json!([{ "bearer": [] }]);
        assert_eq!(changes(&document(), &guarded), ["POST /spin needs a login"]);
        let mut vip = guarded.clone();
        vip["paths"]["/spin"]["post"][REQUIRED_ROLE] = json!("vip");
        assert_eq!(changes(&guarded, &vip), ["POST /spin newly needs the role vip"]);
        assert_eq!(changes(&vip, &guarded), [""; 0]);
        let game = "/components/schemas/Spin/properties/game/enum";
        assert_eq!(
            after(game, json!(["slot"])),
            ["POST /spin request/game: other values than before"]
        );
    }

    #[test]
    fn what_answers_no_longer_have_breaks() {
        let found = after("/components/schemas/Round/required", json!(["next"]));
        assert_eq!(found, ["POST /spin 200/reels is no longer promised"]);
        let found = after("/paths/~1spin/post/responses", json!({ "201": {} }));
        assert_eq!(found, ["POST /spin 200 is gone"]);
        let state = "/components/schemas/Round/properties/state/enum";
        assert_eq!(
            after(state, json!(["open", "settled", "void"])),
            ["POST /spin 200/state: other values than before"]
        );
    }

    #[test]
    fn additions_break_nobody() {
        let mut new = document();
        new["paths"]["/new"] = json!({ "post": {} });
        new["paths"]["/spin"]["get"] = json!({});
        new["paths"]["/spin"]["post"]["responses"]["429"] = json!({});
        let schemas = &mut new["components"]["schemas"];
        schemas["Spin"]["properties"]["note"] = json!({ "type": "string" });
        schemas["Spin"]["properties"]["game"]["enum"] = json!(["slot", "rps", "crash"]);
        schemas["Round"]["properties"]["at"] = json!({ "type": "string" });
        schemas["Round"]["required"] = json!(["reels", "next", "at"]);
        assert_eq!(changes(&document(), &new), [""; 0]);
    }
}
