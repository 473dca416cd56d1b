//! What a function may do: its `Policies`, written out.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{intrinsics::scalar_text, props::Props};
use crate::spec::Permission;

/// Every action on every resource of each statement.
///
/// Only policies that are written out are understood: of a named one, or a
/// template of SAM's, nobody could see here what it allows.
pub(super) fn read(props: &mut Props<'_>) -> Result<Vec<Permission>> {
    let documents = match props.take("Policies")? {
        None => Vec::new(),
        Some(Value::Array(documents)) => documents,
        Some(one) => vec![one],
    };
    let mut permissions = Vec::new();
    for document in &documents {
        match statements(document) {
            Ok(more) => permissions.extend(more),
            Err(error) => return props.fail(format!("Policies: {error:#}")),
        }
    }
    Ok(permissions)
}

fn statements(document: &Value) -> Result<Vec<Permission>> {
    let statements = document.get("Statement").context("no Statement")?;
    let permissions =
        one_or_more(statements).into_iter().map(permitted).collect::<Result<Vec<_>>>();
    Ok(permissions?.concat())
}

fn permitted(statement: &Value) -> Result<Vec<Permission>> {
    let statement = statement.as_object().context("a statement is a map")?;
    for key in statement.keys() {
        ensure!(
            ["Sid", "Effect", "Action", "Resource"].contains(&key.as_str()),
            "the local stack does not model {key}"
        );
    }
    let effect = statement.get("Effect").context("no Effect")?;
    ensure!(effect == "Allow", "the local stack models only Allow, not {effect}");
    let texts = |key: &str| -> Result<Vec<String>> {
        let value = statement.get(key).with_context(|| format!("no {key}"))?;
        one_or_more(value).into_iter().map(scalar_text).collect()
    };
    let (actions, resources) = (texts("Action")?, texts("Resource")?);
    let pairs = actions.iter().flat_map(|action| {
        let on =
            |resource: &String| Permission { action: action.clone(), resource: resource.clone() };
        resources.iter().map(on)
    });
    Ok(pairs.collect())
}

/// IAM takes one where it takes a list.
fn one_or_more(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}
