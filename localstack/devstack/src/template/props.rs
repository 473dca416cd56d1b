//! Typed access to a resource's properties, with nothing left unread.

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

use super::intrinsics::{Resolver, scalar_text};

/// The properties of one resource or event. Each is taken once; whatever is
/// left at [`Props::finish`] is a setting that the local stack would ignore,
/// which is an error.
pub(super) struct Props<'a> {
    resolver: &'a Resolver,
    map: Map<String, Value>,
    at: String,
}

impl<'a> Props<'a> {
    pub fn new(resolver: &'a Resolver, map: Map<String, Value>, at: impl Into<String>) -> Self {
        Self { resolver, map, at: at.into() }
    }

    pub fn resolver(&self) -> &'a Resolver {
        self.resolver
    }

    /// The resolved property.
    pub fn take(&mut self, key: &str) -> Result<Option<Value>> {
        match self.map.remove(key) {
            Some(value) => {
                self.resolver.resolve(&value).with_context(|| format!("{}: {key}", self.at))
            }
            None => Ok(None),
        }
    }

    pub fn text(&mut self, key: &str) -> Result<Option<String>> {
        let value = self.take(key)?;
        value.map(|value| scalar_text(&value).with_context(|| self.where_is(key))).transpose()
    }

    pub fn required_text(&mut self, key: &str) -> Result<String> {
        self.text(key)?.ok_or_else(|| anyhow!("{}: {key} is missing", self.at))
    }

    pub fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        match self.text(key)?.as_deref() {
            None => Ok(None),
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
            Some(other) => bail!("{}: {other:?} is neither true nor false", self.where_is(key)),
        }
    }

    /// An integer within AWS's limits for it.
    pub fn number(
        &mut self,
        key: &str,
        allowed: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let number: i64 = text.parse().with_context(|| self.where_is(key))?;
        if !allowed.contains(&number) {
            bail!("{}: {number} is not within {allowed:?}", self.where_is(key));
        }
        Ok(Some(number))
    }

    /// A list of text; one text alone counts as a list of one.
    pub fn texts(&mut self, key: &str) -> Result<Vec<String>> {
        match self.take(key)? {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(scalar_text)
                .collect::<Result<_>>()
                .with_context(|| self.where_is(key)),
            Some(one) => Ok(vec![scalar_text(&one).with_context(|| self.where_is(key))?]),
        }
    }

    /// A nested map, to be finished by itself.
    pub fn child(&mut self, key: &str) -> Result<Option<Props<'a>>> {
        match self.take(key)? {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self::new(self.resolver, map, self.where_is(key)))),
            Some(other) => bail!("{}: expected a map, found {other}", self.where_is(key)),
        }
    }

    /// Settings that make no difference outside AWS; not even resolved.
    pub fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.map.remove(*key);
        }
    }

    /// A setting whose only modelled value is `expected`.
    pub fn only(&mut self, key: &str, expected: &str) -> Result<()> {
        match self.text(key)? {
            Some(other) if other != expected => {
                bail!("{}: the local stack knows only {expected}, not {other}", self.where_is(key))
            }
            _ => Ok(()),
        }
    }

    pub fn fail<T>(&self, problem: impl std::fmt::Display) -> Result<T> {
        bail!("{}: {problem}", self.at)
    }

    /// # Errors
    /// If a property was neither read nor ignored.
    pub fn finish(self) -> Result<()> {
        match self.map.keys().next() {
            Some(key) => bail!("{}: the local stack does not model {key}", self.at),
            None => Ok(()),
        }
    }

    fn where_is(&self, key: &str) -> String {
        format!("{}: {key}", self.at)
    }
}
