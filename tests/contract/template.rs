//! Rules about `template.yaml` that no linter knows.

mod operations;
mod stages;

use std::{collections::BTreeSet, fs};

use devstack::spec::Permission;
use serde_yaml_ng::Value;

use crate::snapshot;

fn template() -> Value {
    serde_yaml_ng::from_str(&snapshot::read("template.yaml")).expect("the template parses")
}

/// Logical id and properties of every function.
fn functions(template: &Value) -> Vec<(&str, &Value)> {
    let all = of_type(template, "AWS::Serverless::Function").into_iter();
    all.map(|(id, resource)| (id, &resource["Properties"])).collect()
}

fn crate_of(properties: &Value) -> &str {
    let uri = properties["CodeUri"].as_str().expect("CodeUri");
    uri.strip_prefix("functions/").expect("code lies under functions/")
}

/// Logical id and whole body of every resource of a type.
fn of_type<'t>(template: &'t Value, kind: &str) -> Vec<(&'t str, &'t Value)> {
    let resources = template["Resources"].as_mapping().expect("resources");
    resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str().expect("a logical id"), resource))
        .collect()
}

/// What a `!Ref`, `!GetAtt` or another short tag is about.
fn target(value: &Value) -> &str {
    match value {
        Value::Tagged(tagged) => tagged.value.as_str().unwrap_or_default(),
        other => other.as_str().unwrap_or_default(),
    }
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

/// That a policy holds what its function needs, and only that, is proven elsewhere.
#[test]
fn every_policy_is_the_functions_own_and_names_what_it_allows() {
    let template = template();
    assert!(template["Globals"]["Function"]["Policies"].is_null(), "policies are each one's own");
    for (stage, spec) in stages::specs() {
        for (id, function) in &spec.functions {
            for Permission { action, resource } in &function.policy {
                assert!(!action.contains(['*', '?']), "{stage} {id}: {action}");
                let parts: Vec<_> = resource.splitn(6, ':').collect();
                let [arn, _, service, region, account, what] = parts[..] else {
                    panic!("{stage} {id}: {resource} is no ARN");
                };
                assert_eq!(arn, "arn");
                assert_eq!(action.split(':').next(), Some(service), "{stage} {id}: {resource}");
                for named in [service, region, account] {
                    assert!(!named.contains(['*', '?']), "{stage} {id}: {resource}");
                }
                // A connection's id is not known before; a secret's name has six
                // characters more that nobody chooses.
                let fixed = what.strip_suffix("-??????").unwrap_or(what);
                let fixed = fixed.strip_suffix("/@connections/*").unwrap_or(fixed);
                assert!(!fixed.contains(['*', '?']), "{stage} {id}: {resource}");
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
        let own = format!("{stem}LogGroup");
        let group = &resources[&own]["Properties"];
        assert!(!group["RetentionInDays"].is_null(), "{id} logs for ever");
        assert_eq!(target(&properties["LoggingConfig"]["LogGroup"]), own, "{id} logs elsewhere");
        let alarm = &resources[format!("{stem}ErrorsAlarm")]["Properties"];
        assert_eq!(alarm["MetricName"], "Errors", "{id} fails unnoticed");
        assert_eq!(target(&alarm["Dimensions"][0]["Value"]), id, "{id} fails unnoticed");
    }
}

#[test]
fn every_route_is_travelled_by_a_journey() {
    let template = template();
    // And what players do in them.
    let journeys = ["tests/journeys", "tests/journeys/private"].map(source).concat()
        + &snapshot::read("tests/src/player.rs");
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
