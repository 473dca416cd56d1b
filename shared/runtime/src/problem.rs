//! Every failure's way out: a code of the contract, worded in the reader's
//! language at the very end.

mod mapping;

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{
    Code, Field, Language, Rule,
    problem::{MEDIA_TYPE, OlderError, Problem as ProblemBody},
};
use serde_json::{Map, Value};

type Cause = Arc<dyn StdError + Send + Sync>;

/// A failure on its way to the caller.
///
/// Handlers return `Result<Response, Problem>`. Wording, `instance` and request
/// id are added by the layers of [`crate::http::app`]; a cause is logged there,
/// once, and never shown.
#[derive(Clone)]
pub struct Problem(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    detail: Option<Detail>,
    fields: Vec<Field>,
    retry_after_seconds: Option<u32>,
    members: Map<String, Value>,
    cause: Option<Cause>,
}

#[derive(Clone)]
struct Detail {
    korean: Cow<'static, str>,
    english: Cow<'static, str>,
}

impl Problem {
    /// The problem with the wording and retry advice of the registry.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            detail: None,
            fields: Vec::new(),
            retry_after_seconds: code.retry_after_seconds(),
            members: Map::new(),
            cause: None,
        }))
    }

    /// A defect of ours. The cause is logged, the caller learns nothing of it.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::Internal).caused_by(cause)
    }

    /// Something we depend on does not answer; the same request may be retried.
    pub fn unavailable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Code::ServiceUnavailable).caused_by(cause)
    }

    /// A request whose parts break rules: `validation_failed`, or the code of the
    /// one rule that has its own.
    #[must_use]
    pub fn invalid(fields: Vec<Field>) -> Self {
        let only_passwords =
            !fields.is_empty() && fields.iter().all(|field| field.rule == Rule::WeakPassword);
        let code = if only_passwords { Code::WeakPassword } else { Code::ValidationFailed };
        let mut problem = Self::new(code);
        problem.0.fields = fields;
        problem
    }

    /// Replaces the registry's message by a more exact one, in both languages.
    #[must_use]
    pub fn detail(
        mut self,
        korean: impl Into<Cow<'static, str>>,
        english: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.0.detail = Some(Detail { korean: korean.into(), english: english.into() });
        self
    }

    /// Points at the part of the request that broke a rule.
    #[must_use]
    pub fn field(mut self, pointer: impl Into<Cow<'static, str>>, rule: Rule) -> Self {
        self.0.fields.push(Field::new(pointer, rule));
        self
    }

    /// If gold is lacking, points at the part of the request that asked for too much
    /// of it: the rule that found out does not know the request.
    #[must_use]
    pub fn blaming(self, pointer: &'static str) -> Self {
        if self.0.code == Code::InsufficientFunds {
            self.field(pointer, Rule::InsufficientFunds)
        } else {
            self
        }
    }

    /// Seconds after which trying again makes sense, as `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// A member that belongs to this code, such as `retry_after_minutes`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Keeps the reason for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into().into());
        self
    }

    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The reason with everything behind it, for the log.
    #[must_use]
    pub fn cause_chain(&self) -> Option<String> {
        Some(crate::chain(self.0.cause.as_deref()?))
    }

    /// The answer as the caller sees it.
    pub(crate) fn render(
        &self,
        language: Language,
        instance: Option<&str>,
        request_id: Option<&str>,
    ) -> Response {
        let Inner { code, detail, fields, retry_after_seconds, members, .. } = &*self.0;
        let wording = code.wording(language);
        let message = match (detail, language) {
            (None, _) => wording.message,
            (Some(detail), Language::Korean) => &detail.korean,
            (Some(detail), Language::English) => &detail.english,
        };
        let body = ProblemBody {
            type_uri: code.type_uri().to_owned(),
            title: wording.title.to_owned(),
            status: code.status(),
            detail: message.to_owned(),
            instance: instance.map(str::to_owned),
            code: *code,
            errors: fields.iter().map(|field| field.render(language)).collect(),
            error: OlderError { code: *code, message: message.to_owned() },
            request_id: request_id.map(str::to_owned),
            members: members.clone(),
        };
        let body = serde_json::to_vec(&body).expect("a problem has only string keys");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(code.status()).expect("the registry holds real statuses");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.insert(header::VARY, HeaderValue::from_static("accept-language"));
        if let Some(seconds) = retry_after_seconds {
            headers.insert(header::RETRY_AFTER, (*seconds).into());
        }
        if code.status() == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// Puts a freshly worded answer in place of an unworded one, keeping headers
    /// that others have added to it (`Allow`, `Deprecation`).
    pub(crate) fn reword(
        &self,
        response: &mut Response,
        language: Language,
        instance: &str,
        request_id: &str,
    ) {
        let (parts, body) = self.render(language, Some(instance), Some(request_id)).into_parts();
        *response.body_mut() = body;
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        for (name, value) in &parts.headers {
            let name: &HeaderName = name;
            headers.insert(name, value.clone());
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render(Language::default(), None, None);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.0.code)
            .field("fields", &self.0.fields)
            .field("cause", &self.cause_chain())
            .finish_non_exhaustive()
    }
}
