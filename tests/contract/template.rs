//! Rules about `template.yaml` that no linter knows.

use std::{collections::BTreeSet, fs};

use serde_yaml_ng::Value;

use crate::snapshot;

/// What a function does that calls AWS, and therefore needs a policy.
const REACHES_AWS: [&str; 5] =
    ["deps.aws", "Queue::new", "Sockets::new", "Stream::new", "Store::new"];

fn template() -> Value {
    serde_yaml_ng::from_str(&snapshot::read("template.yaml")).expect("the template parses")
}

/// Logical id and properties of every function.
fn functions(template: &Value) -> Vec<(&str, &Value)> {
    let resources = template["Resources"].as_mapping().expect("resources");
    resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .map(|(id, resource)| (id.as_str().expect("a logical id"), &resource["Properties"]))
        .collect()
}

fn crate_of(properties: &Value) -> &str {
    let uri = properties["CodeUri"].as_str().expect("CodeUri");
    uri.strip_prefix("functions/").expect("code lies under functions/")
}

/// One or several, as IAM has it.
fn list(value: &Value) -> Vec<&Value> {
    value.as_sequence().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn source(folder: &str) -> String {
    let files = fs::read_dir(snapshot::path(folder)).expect("a folder");
    let texts = files.map(|file| fs::read_to_string(file.expect("a file").path()));
    texts.map(|text| text.unwrap_or_default()).collect()
}

#[test]
fn every_function_is_a_crate_and_every_crate_a_function() {
    let template = template();
    let declared: BTreeSet<_> =
        functions(&template).iter().map(|(_, of)| crate_of(of).to_owned()).collect();
    let folders = fs::read_dir(snapshot::path("functions")).expect("functions/");
    let crates: BTreeSet<_> = folders
        .map(|folder| folder.expect("a folder"))
        .filter(|folder| folder.path().join("Cargo.toml").exists())
        .map(|folder| folder.file_name().into_string().expect("a name"))
        .collect();
    let compiled: BTreeSet<_> =
        devstack::functions::FUNCTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(declared, crates, "template.yaml | functions/");
    assert_eq!(declared, compiled, "template.yaml | the local stack");
    assert_eq!(functions(&template).len(), declared.len(), "one function per crate");
}

#[test]
fn every_function_may_do_what_it_needs_and_no_more() {
    let template = template();
    assert!(template["Globals"]["Function"]["Policies"].is_null(), "policies are each one's own");
    for (id, properties) in functions(&template) {
        assert!(properties["Role"].is_null(), "{id}: roles are made from policies");
        let code = source(&format!("functions/{}/src", crate_of(properties)));
        let reaches = REACHES_AWS.iter().any(|call| code.contains(call));
        let policies = &properties["Policies"];
        assert_eq!(reaches, !policies.is_null(), "{id} has a policy if and only if it needs one");
        for policy in policies.as_sequence().into_iter().flatten() {
            let statements = policy["Statement"].as_sequence();
            let statements = statements.unwrap_or_else(|| panic!("{id}: a policy is written out"));
            for statement in statements {
                assert_eq!(statement["Effect"], "Allow", "{id}");
                for action in list(&statement["Action"]) {
                    let action = action.as_str().expect("an action");
                    assert!(!action.contains('*'), "{id}: {action}");
                }
                for resource in list(&statement["Resource"]) {
                    assert!(!resource.is_null() && resource != "*", "{id}: any resource");
                }
            }
        }
    }
}

#[test]
fn every_function_has_logs_that_end_and_an_alarm() {
    let template = template();
    let resources = &template["Resources"];
    for (id, properties) in functions(&template) {
        let stem = id.strip_suffix("Function").expect("ids end in Function");
        let group = &resources[format!("{stem}LogGroup")]["Properties"];
        assert!(!group["RetentionInDays"].is_null(), "{id} logs for ever");
        assert!(!properties["LoggingConfig"]["LogGroup"].is_null(), "{id} logs elsewhere");
        let alarm = &resources[format!("{stem}ErrorsAlarm")]["Properties"];
        assert_eq!(alarm["MetricName"], "Errors", "{id} fails unnoticed");
    }
}

#[test]
fn every_route_is_travelled_by_a_journey() {
    let template = template();
    let journeys = source("tests/journeys");
    for (id, properties) in functions(&template) {
        for (name, event) in properties["Events"].as_mapping().into_iter().flatten() {
            if event["Type"] != "HttpApi" {
                continue;
            }
            let Some(path) = event["Properties"]["Path"].as_str() else { continue };
            let fixed = path.split('{').next().unwrap_or(path);
            let travelled = fixed == "$default" || journeys.contains(&format!("\"{fixed}"));
            assert!(travelled, "{id} {name:?}: no journey calls {path}");
        }
    }
}
