//! CloudFormation's YAML as JSON, with short tags in their long form.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// Parses a document; `!Sub x` becomes `{"Fn::Sub": "x"}` and so on.
pub(super) fn parse(text: &str) -> Result<Value> {
    convert(serde_yaml_ng::from_str(text)?)
}

fn convert(yaml: Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::Number(number) => serde_json::to_value(number)?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => items.into_iter().map(convert).collect::<Result<_>>()?,
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = match key {
                    Yaml::String(text) => text,
                    Yaml::Number(number) => number.to_string(),
                    Yaml::Bool(flag) => flag.to_string(),
                    other => bail!("a mapping key must be a scalar, not {other:?}"),
                };
                map.insert(key, convert(value)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let argument = convert(tagged.value)?;
            match tag.trim_start_matches('!') {
                "Ref" => json!({ "Ref": argument }),
                "Condition" => json!({ "Condition": argument }),
                "GetAtt" => json!({ "Fn::GetAtt": argument }),
                name => json!({ format!("Fn::{name}"): argument }),
            }
        }
    })
}
