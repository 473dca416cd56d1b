//! Intrinsic functions, conditions and parameters.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine as _;
use serde_json::{Map, Value};

use super::Pseudo;

/// An entry of `Resources`, unresolved.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub kind: String,
    pub properties: Map<String, Value>,
    pub condition: Option<String>,
}

/// Everything an intrinsic function may refer to.
pub(super) struct Resolver {
    pub pseudo: Pseudo,
    pub parameters: BTreeMap<String, Value>,
    pub mappings: Value,
    pub conditions: Map<String, Value>,
    pub resources: BTreeMap<String, Resource>,
    /// What is being resolved now, to name a cycle instead of recursing for ever.
    visiting: RefCell<BTreeSet<String>>,
}

impl Resolver {
    pub fn new(
        document: &Value,
        given: &BTreeMap<String, String>,
        pseudo: &Pseudo,
        resources: BTreeMap<String, Resource>,
    ) -> Result<Self> {
        Ok(Self {
            pseudo: pseudo.clone(),
            parameters: parameters(document, given)?,
            mappings: document["Mappings"].clone(),
            conditions: document["Conditions"].as_object().cloned().unwrap_or_default(),
            resources,
            visiting: RefCell::default(),
        })
    }

    /// The value with every intrinsic resolved; `None` is `AWS::NoValue`.
    pub fn resolve(&self, value: &Value) -> Result<Option<Value>> {
        match value {
            Value::Object(map) => {
                if let Some((name, argument)) = intrinsic(map) {
                    return self.call(name, argument).with_context(|| format!("in {name}"));
                }
                let mut resolved = Map::new();
                for (key, value) in map {
                    if let Some(value) = self.resolve(value)? {
                        resolved.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            Value::Array(items) => Ok(Some(Value::Array(self.items(items)?))),
            scalar => Ok(Some(scalar.clone())),
        }
    }

    /// Whether a resource's or function's named condition holds.
    pub fn condition(&self, name: &str) -> Result<bool> {
        let body =
            self.conditions.get(name).ok_or_else(|| anyhow!("there is no condition {name}"))?;
        self.guarded(&format!("condition {name}"), || self.truth(body))
    }

    /// Runs `body` unless `what` is already being resolved.
    pub fn guarded<T>(&self, what: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
        ensure!(self.visiting.borrow_mut().insert(what.to_owned()), "{what} refers to itself");
        let result = body();
        self.visiting.borrow_mut().remove(what);
        result.with_context(|| what.to_owned())
    }

    fn items(&self, items: &[Value]) -> Result<Vec<Value>> {
        items.iter().filter_map(|item| self.resolve(item).transpose()).collect()
    }

    fn required(&self, value: &Value) -> Result<Value> {
        self.resolve(value)?.ok_or_else(|| anyhow!("AWS::NoValue is not allowed here"))
    }

    fn text(&self, value: &Value) -> Result<String> {
        scalar_text(&self.required(value)?)
    }

    fn call(&self, name: &str, argument: &Value) -> Result<Option<Value>> {
        Ok(Some(match name {
            "Ref" => {
                let target = string(argument)?;
                if target == "AWS::NoValue" {
                    return Ok(None);
                }
                self.reference(target)?
            }
            "Fn::GetAtt" => {
                let (resource, attribute) = match argument {
                    Value::String(path) => path
                        .split_once('.')
                        .ok_or_else(|| anyhow!("{path} names no attribute"))
                        .map(|(resource, attribute)| (resource.to_owned(), attribute.to_owned()))?,
                    other => {
                        let [resource, attribute] = arguments(other)?;
                        (string(resource)?.to_owned(), self.text(attribute)?)
                    }
                };
                self.attribute(&resource, &attribute)?
            }
            "Fn::Sub" => Value::String(self.substitute(argument)?),
            "Fn::If" => {
                let [condition, yes, no] = arguments(argument)?;
                let chosen = if self.condition(string(condition)?)? { yes } else { no };
                return self.resolve(chosen);
            }
            "Fn::Join" => {
                let [separator, items] = arguments(argument)?;
                let items = self.required(items)?;
                let items = items.as_array().context("Fn::Join takes a list")?;
                let items = items.iter().map(scalar_text).collect::<Result<Vec<_>>>()?;
                Value::String(items.join(string(separator)?))
            }
            "Fn::Split" => {
                let [separator, text] = arguments(argument)?;
                let text = self.text(text)?;
                text.split(string(separator)?).map(Value::from).collect()
            }
            "Fn::Select" => {
                let [index, items] = arguments(argument)?;
                let index: usize = self.text(index)?.parse()?;
                let items = self.required(items)?;
                items.get(index).cloned().with_context(|| format!("there is no item {index}"))?
            }
            "Fn::FindInMap" => {
                let [map, top, second] = arguments(argument)?;
                let path = [self.text(map)?, self.text(top)?, self.text(second)?];
                path.iter()
                    .try_fold(&self.mappings, |at, key| at.get(key))
                    .cloned()
                    .with_context(|| format!("there is no mapping {}", path.join(".")))?
            }
            "Fn::Base64" => {
                let text = self.text(argument)?;
                Value::String(base64::engine::general_purpose::STANDARD.encode(text))
            }
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" | "Condition" => {
                Value::Bool(self.function_truth(name, argument)?)
            }
            other => bail!("{other} is not understood by the local stack"),
        }))
    }

    fn truth(&self, value: &Value) -> Result<bool> {
        let (name, argument) = value
            .as_object()
            .and_then(intrinsic)
            .context("a condition is one of Equals, Not, And, Or, Condition")?;
        self.function_truth(name, argument)
    }

    fn function_truth(&self, name: &str, argument: &Value) -> Result<bool> {
        let all = || argument.as_array().with_context(|| format!("{name} takes a list"));
        match name {
            "Fn::Equals" => {
                let [left, right] = arguments(argument)?;
                let (left, right) = (self.required(left)?, self.required(right)?);
                // `Equals [1, "1"]` is true: CloudFormation compares text.
                Ok(left == right
                    || matches!((scalar_text(&left), scalar_text(&right)), (Ok(a), Ok(b)) if a == b))
            }
            "Fn::Not" => {
                let [inner] = arguments(argument)?;
                Ok(!self.truth(inner)?)
            }
            "Fn::And" => all()?.iter().try_fold(true, |truth, item| Ok(self.truth(item)? && truth)),
            "Fn::Or" => all()?.iter().try_fold(false, |truth, item| Ok(self.truth(item)? || truth)),
            "Condition" => self.condition(string(argument)?),
            other => bail!("{other} is not a condition"),
        }
    }

    fn substitute(&self, argument: &Value) -> Result<String> {
        let (template, variables) = match argument {
            Value::String(text) => (text.as_str(), None),
            list => {
                let [text, variables] = arguments(list)?;
                (string(text)?, Some(variables.as_object().context("Fn::Sub takes a map")?))
            }
        };
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, tail)) = rest.split_once("${") {
            let (name, after) =
                tail.split_once('}').with_context(|| format!("unclosed ${{ in {template:?}"))?;
            out.push_str(before);
            let name = name.trim();
            if let Some(literal) = name.strip_prefix('!') {
                out.extend(["${", literal, "}"]);
            } else if let Some(value) = variables.and_then(|map| map.get(name)) {
                out.push_str(&self.text(value)?);
            } else if let Some((resource, attribute)) = name.split_once('.') {
                out.push_str(&scalar_text(&self.attribute(resource, attribute)?)?);
            } else {
                out.push_str(&scalar_text(&self.reference(name)?)?);
            }
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn reference(&self, name: &str) -> Result<Value> {
        let pseudo = &self.pseudo;
        let text = match name {
            "AWS::Region" => pseudo.region.clone(),
            "AWS::AccountId" => pseudo.account_id.clone(),
            "AWS::StackName" => pseudo.stack_name.clone(),
            "AWS::Partition" => pseudo.partition.clone(),
            "AWS::URLSuffix" => pseudo.url_suffix.clone(),
            "AWS::StackId" => {
                pseudo.arn("cloudformation", &format!("stack/{}/local", pseudo.stack_name))
            }
            _ => match self.parameters.get(name) {
                Some(value) => return Ok(value.clone()),
                None => self.physical_id(name)?,
            },
        };
        Ok(Value::String(text))
    }
}

/// Parameters given for the stage over the template's defaults.
fn parameters(
    document: &Value,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>> {
    let empty = Map::new();
    let declared = document["Parameters"].as_object().unwrap_or(&empty);
    for name in given.keys() {
        ensure!(declared.contains_key(name), "the template has no parameter {name}");
    }
    declared
        .iter()
        .map(|(name, declaration)| {
            let kind = declaration["Type"].as_str().unwrap_or("String");
            let text = match given.get(name) {
                Some(text) => text.clone(),
                None => {
                    ensure!(
                        !kind.starts_with("AWS::SSM::"),
                        "parameter {name} is stored in SSM: give its value for the local stage"
                    );
                    let default = declaration.get("Default");
                    scalar_text(default.with_context(|| format!("parameter {name} has no value"))?)?
                }
            };
            if let Some(allowed) = declaration["AllowedValues"].as_array() {
                let allowed = allowed.iter().map(scalar_text).collect::<Result<Vec<_>>>()?;
                ensure!(
                    allowed.contains(&text),
                    "parameter {name}: {text:?} is not in {allowed:?}"
                );
            }
            let value = match kind {
                "CommaDelimitedList" => {
                    text.split(',').map(|item| Value::from(item.trim())).collect()
                }
                "Number" => {
                    ensure!(text.parse::<f64>().is_ok(), "parameter {name}: {text:?} is no number");
                    Value::String(text)
                }
                _ => Value::String(text),
            };
            Ok((name.clone(), value))
        })
        .collect()
}

/// A map with the one key `Ref`, `Condition` or `Fn::…`.
pub(super) fn intrinsic(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, argument) = map.iter().next()?;
    let named = key == "Ref" || key.starts_with("Fn::");
    // `Condition` is also an ordinary key, whose value is then a map.
    let condition = key == "Condition" && argument.is_string();
    (map.len() == 1 && (named || condition)).then_some((key.as_str(), argument))
}

/// A string, number or boolean as CloudFormation prints it.
pub(super) fn scalar_text(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        other => bail!("expected text, found {other}"),
    }
}

fn string(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("expected text, found {value}"))
}

fn arguments<const N: usize>(value: &Value) -> Result<&[Value; N]> {
    match value.as_array() {
        Some(list) => list
            .as_slice()
            .try_into()
            .with_context(|| format!("expected {N} arguments, found {}", list.len())),
        None if N == 1 => Ok(std::slice::from_ref(value).try_into()?),
        None => bail!("expected {N} arguments, found {value}"),
    }
}
