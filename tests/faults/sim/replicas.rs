//! What an eventually consistent read may say: the items as they were some writes ago.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::Call;

/// The images of each item that were put, oldest first.
#[derive(Debug, Default)]
pub struct Replicas(BTreeMap<String, Vec<Value>>);

impl Replicas {
    /// Notes a write that took effect.
    pub fn write(&mut self, call: &Call) {
        let request = match call.operation.as_str() {
            "PutItem" | "TransactWriteItems" => call.json(),
            _ => return,
        };
        let puts = request["TransactItems"].as_array().into_iter().flatten();
        let items = puts.map(|item| &item["Put"]["Item"]).chain([&request["Item"]]);
        for item in items.filter(|item| item.is_object()) {
            self.0.entry(address(item)).or_default().push(item.clone());
        }
    }

    /// The answer of a read as it was up to `behind` writes of each item ago.
    pub fn as_of(&self, behind: usize, mut answer: Value) -> Value {
        if answer["Item"].is_object() {
            match self.older(behind, &answer["Item"]) {
                Some(item) => answer["Item"] = item,
                None => drop(answer.as_object_mut().map(|answer| answer.remove("Item"))),
            }
        }
        if let Some(items) = answer["Items"].as_array_mut() {
            *items = items.iter().filter_map(|item| self.older(behind, item)).collect();
        }
        for items in answer["Responses"].as_object_mut().into_iter().flat_map(|r| r.values_mut()) {
            if let Some(items) = items.as_array_mut() {
                *items = items.iter().filter_map(|item| self.older(behind, item)).collect();
            }
        }
        answer
    }

    fn older(&self, behind: usize, item: &Value) -> Option<Value> {
        let Some(images) = self.0.get(&address(item)) else { return Some(item.clone()) };
        match behind {
            0 => Some(item.clone()),
            _ => images.len().checked_sub(behind + 1).map(|at| images[at].clone()),
        }
    }
}

fn address(item: &Value) -> String {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default();
    format!("{}/{}", text("pk"), text("sk"))
}
