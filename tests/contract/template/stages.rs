//! The stages of `samconfig.toml`: each gives the template what it asks for.

use devstack::{
    parameters::Parameters,
    spec::Spec,
    template::{Pseudo, load},
};
use serde_yaml_ng::Value;

use super::{target, template};
use crate::snapshot;

const STAGES: [&str; 3] = ["dev", "staging", "prod"];

fn parameters(stage: &str) -> Parameters {
    devstack::parameters::of_stage(stage).expect("the stage is in samconfig.toml")
}

/// The template as each stage resolves it.
pub fn specs() -> Vec<(&'static str, Spec)> {
    let spec = |stage: &'static str| {
        let mut given = parameters(stage);
        for value in given.values_mut().filter(|value| value.starts_with("{{resolve:")) {
            *value = "http://resolved.example".to_owned();
        }
        let pseudo = Pseudo { stack_name: format!("casino-club-{stage}"), ..Pseudo::default() };
        let spec = load(&snapshot::path("template.yaml"), &given, &pseudo);
        (stage, spec.unwrap_or_else(|error| panic!("{stage}: {error:#}")))
    };
    STAGES.map(spec).into()
}

#[test]
fn every_stage_gives_the_template_what_it_asks_for() {
    let template = template();
    let declared = template["Parameters"].as_mapping().expect("parameters");
    for stage in STAGES {
        let given = parameters(stage);
        assert_eq!(given["Stage"], stage);
        for (name, declaration) in declared {
            let name = name.as_str().expect("a name");
            let has = given.contains_key(name) || !declaration["Default"].is_null();
            assert!(has, "{stage} has no {name}");
        }
        for name in given.keys() {
            assert!(declared.contains_key(name), "{stage} gives {name}, which nobody asks for");
        }
    }
}

#[test]
fn the_pending_alarm_has_each_stages_threshold() {
    let template = template();
    let alarm = &template["Resources"]["PushPendingAlarm"]["Properties"];
    assert_eq!(target(&alarm["Threshold"]), "PendingFramesThreshold");
    let thresholds = STAGES.map(|stage| parameters(stage)["PendingFramesThreshold"].clone());
    assert_eq!(thresholds, ["20", "25", "30"]);
}

#[test]
fn no_secret_is_a_parameter_and_none_is_in_a_variable() {
    let template = template();
    for (name, declaration) in template["Parameters"].as_mapping().expect("parameters") {
        assert!(declaration["NoEcho"].is_null(), "{name:?}: secrets are in Secrets Manager");
    }
    for (stage, spec) in specs() {
        for (id, function) in &spec.functions {
            for (variable, value) in &function.env {
                let words = ["KEY", "PASSWORD", "SECRET", "TOKEN"];
                let secret = words.iter().any(|word| variable.contains(word));
                let named = value.starts_with(&format!("casino-club/{stage}/"));
                assert!(!secret || variable.ends_with("_SECRET") && named, "{id}: {variable}");
            }
        }
    }
}

#[test]
fn data_outlives_its_stack_everywhere_but_in_dev() {
    let template = template();
    let conditions = &template["Conditions"];
    assert_eq!(tagged(&conditions["IsNotDev"]), "[!Equals [!Ref Stage, dev]]");
    for id in ["Table", "EventStream"] {
        let resource = &template["Resources"][id];
        let policy = &resource["DeletionPolicy"];
        assert_eq!(tagged(policy), "[IsNotDev, RetainExceptOnCreate, Delete]", "{id}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
    }
    let table = &template["Resources"]["Table"]["Properties"];
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
    for (stage, spec) in specs() {
        let protected = spec.tables[0].create["DeletionProtectionEnabled"] == true;
        assert_eq!(protected, stage == "prod", "{stage}");
    }
}

/// A short tag's argument, on one line.
fn tagged(value: &Value) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::Tagged(tagged) => format!("{} {}", tagged.tag, text(&tagged.value)),
            Value::Sequence(items) => {
                format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", "))
            }
            other => other.as_str().unwrap_or_default().to_owned(),
        }
    }
    match value {
        Value::Tagged(tagged) => text(&tagged.value),
        other => text(other),
    }
}
