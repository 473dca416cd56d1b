//! The rules a part of a request can break, with their wording.

use std::borrow::Cow;

use super::FieldError;
use crate::Language;

/// A part of a request and the rule it broke; worded when the reader's language
/// is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// See [`FieldError::pointer`].
    pub pointer: Cow<'static, str>,
    pub rule: Rule,
}

impl Field {
    pub fn new(pointer: impl Into<Cow<'static, str>>, rule: Rule) -> Self {
        Self { pointer: pointer.into(), rule }
    }

    /// What the reader sees.
    #[must_use]
    pub fn render(&self, language: Language) -> FieldError {
        FieldError {
            pointer: self.pointer.clone().into_owned(),
            code: self.rule.code().to_owned(),
            detail: self.rule.detail(language),
        }
    }
}

/// A rule about one value. Bounds are inclusive and kept as text, because they
/// are only ever shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    Required,
    UnknownField,
    DuplicateField,
    WrongType,
    TooShort(String),
    TooLong(String),
    TooSmall(String),
    TooLarge(String),
    InvalidFormat,
    WeakPassword,
    InvalidCursor,
    /// The amount is more than the caller has.
    InsufficientFunds,
}

impl Rule {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::UnknownField => "unknown_field",
            Self::DuplicateField => "duplicate_field",
            Self::WrongType => "wrong_type",
            Self::TooShort(_) => "too_short",
            Self::TooLong(_) => "too_long",
            Self::TooSmall(_) => "too_small",
            Self::TooLarge(_) => "too_large",
            Self::InvalidFormat => "invalid_format",
            Self::WeakPassword => "weak_password",
            Self::InvalidCursor => "invalid_cursor",
            Self::InsufficientFunds => "insufficient_funds",
        }
    }

    /// The rule in the reader's language.
    #[must_use]
    pub fn detail(&self, language: Language) -> String {
        match language {
            Language::Korean => self.korean(),
            Language::English => self.english(),
        }
    }

    fn korean(&self) -> String {
        match self {
            Self::Required => "필수 항목입니다.".into(),
            Self::UnknownField => "알 수 없는 항목입니다.".into(),
            Self::DuplicateField => "같은 항목이 두 번 있습니다.".into(),
            Self::WrongType => "값의 형식이 올바르지 않습니다.".into(),
            Self::TooShort(min) => format!("{min}자 이상이어야 합니다."),
            Self::TooLong(max) => format!("{max}자 이하여야 합니다."),
            Self::TooSmall(min) => format!("{min} 이상이어야 합니다."),
            Self::TooLarge(max) => format!("{max} 이하여야 합니다."),
            Self::InvalidFormat => "사용할 수 없는 값입니다.".into(),
            Self::WeakPassword => "8자 이상의 쉽게 추측할 수 없는 비밀번호여야 합니다.".into(),
            Self::InvalidCursor => {
                "커서가 올바르지 않습니다. 첫 페이지부터 다시 조회해 주세요.".into()
            }
            Self::InsufficientFunds => "보유한 골드보다 많습니다.".into(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Required => "This field is required.".into(),
            Self::UnknownField => "This field is not known.".into(),
            Self::DuplicateField => "This field appears twice.".into(),
            Self::WrongType => "The value has the wrong type.".into(),
            Self::TooShort(min) => format!("Must have at least {min} characters."),
            Self::TooLong(max) => format!("Must have at most {max} characters."),
            Self::TooSmall(min) => format!("Must be at least {min}."),
            Self::TooLarge(max) => format!("Must be at most {max}."),
            Self::InvalidFormat => "The value is not allowed.".into(),
            Self::WeakPassword => {
                "Must have at least 8 characters and not be easy to guess.".into()
            }
            Self::InvalidCursor => {
                "The cursor is not valid. Start again from the first page.".into()
            }
            Self::InsufficientFunds => "This is more than you have.".into(),
        }
    }
}
