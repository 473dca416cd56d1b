//! Validation of requests, and the product's own rules.

use std::{borrow::Cow, collections::BTreeMap, fmt::Display};

use domain::webhook::EventFilter;
use garde::{Validate, i18n};

use crate::{Field, Rule, Secret};

/// Checks a request against its rules; one [`Field`] per broken rule.
///
/// # Errors
/// The broken rules, never empty.
pub fn validate<T: Validate<Context = ()>>(request: &T) -> Result<(), Vec<Field>> {
    let Err(report) = i18n::with_i18n(Codes, || request.validate()) else { return Ok(()) };
    Err(report.iter().map(|(path, error)| field(&path.to_string(), error.message())).collect())
}

/// `a.b[0]` and `too_short:3` to a field.
fn field(path: &str, message: &str) -> Field {
    let mut pointer = String::with_capacity(path.len() + 1);
    if !path.is_empty() {
        pointer.push('/');
        pointer.extend(path.chars().filter(|c| *c != ']').map(|c| match c {
            '.' | '[' => '/',
            other => other,
        }));
    }
    let (code, bound) = message.split_once(':').unwrap_or((message, ""));
    let bound = bound.to_owned();
    let rule = match code {
        "required" => Rule::Required,
        "too_short" => Rule::TooShort(bound),
        "too_long" => Rule::TooLong(bound),
        "too_small" => Rule::TooSmall(bound),
        "too_large" => Rule::TooLarge(bound),
        "weak_password" => Rule::WeakPassword,
        _ => Rule::InvalidFormat,
    };
    Field::new(pointer, rule)
}

/// A login name: 3 to 32 of `a-z A-Z 0-9 . _ -`, starting with a letter or digit.
///
/// # Errors
/// When it is not one.
pub fn site_id(value: &str, _: &()) -> garde::Result {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let starts_well = value.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    check(starts_well && value.bytes().all(plain))
}

/// A shown name: letters and digits of any script, and single `_` or `-`; no
/// spaces or invisible characters that would make two names look alike. Of Hangul only
/// whole syllables and the letters that keyboards have: conjoining ones spell the same
/// syllables another way, and its fillers show nothing.
///
/// # Errors
/// When it is not one.
pub fn nickname(value: &str, _: &()) -> garde::Result {
    let spells_or_hides = |c| {
        matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{d7b0}'..='\u{d7ff}')
            || matches!(c, '\u{3164}' | '\u{ffa0}')
    };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    check(value.chars().all(|c| plain(c) && !spells_or_hides(c)))
}

/// The fewest and most characters of a new password.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// A password good enough to be chosen: see [`PASSWORD_LENGTH`], at least four
/// different characters, and none of the very common ones. No composition rules:
/// they make passwords worse.
///
/// # Errors
/// `weak_password`, or `too_long` above the upper bound, which only keeps
/// hashing bounded.
pub fn new_password(value: &Secret, (): &()) -> garde::Result {
    const COMMON: &[&str] = &[
        "password",
        "password1",
        "password123",
        "passw0rd",
        "12345678",
        "123456789",
        "1234567890",
        "qwertyui",
        "qwerty123",
        "qwer1234",
        "asdf1234",
        "abcd1234",
        "abc12345",
        "1q2w3e4r",
        "q1w2e3r4",
        "1qaz2wsx",
        "iloveyou",
        "letmein1",
        "admin123",
        "administrator",
    ];
    let text = value.expose();
    if text.chars().count() > *PASSWORD_LENGTH.end() {
        return Err(garde::Error::new(format_args!("too_long:{}", PASSWORD_LENGTH.end())));
    }
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    let common = COMMON.iter().any(|common| text.eq_ignore_ascii_case(common));
    if text.chars().count() < *PASSWORD_LENGTH.start() || different.len() < 4 || common {
        return Err(garde::Error::new("weak_password"));
    }
    Ok(())
}

/// A secret that is presented, not chosen: present and of bounded length.
///
/// # Errors
/// `too_short` or `too_long`.
pub fn presented(value: &Secret, (): &()) -> garde::Result {
    match value.expose().len() {
        0 => Err(garde::Error::new("too_short:1")),
        1..=1024 => Ok(()),
        _ => Err(garde::Error::new("too_long:1024")),
    }
}

/// A mail address as mail services take it: ASCII, one `@`, a domain of at least two
/// labels. Quoted local parts, which nobody has, are refused.
///
/// # Errors
/// `too_long` above 254 characters, or that it is none.
pub fn email_address(value: &Secret, (): &()) -> garde::Result {
    let text = value.expose();
    if text.len() > 254 {
        return Err(garde::Error::new("too_long:254"));
    }
    let Some((local, domain)) = text.split_once('@') else { return check(false) };
    // RFC 5322's dot-atom.
    let in_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let is_atom = |part: &str| !part.is_empty() && part.bytes().all(in_atom);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    check(
        local.len() <= 64
            && local.split('.').all(is_atom)
            && domain.contains('.')
            && domain.split('.').all(is_label)
            && top.bytes().any(|b| b.is_ascii_alphabetic()),
    )
}

/// Lower-case hexadecimal of 32 bytes.
///
/// # Errors
/// When it is not.
pub fn hex32(value: &str, _: &()) -> garde::Result {
    check(value.len() == 64 && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Visible ASCII, no spaces.
///
/// # Errors
/// When it is not.
pub fn visible_ascii(value: &str, _: &()) -> garde::Result {
    check(value.bytes().all(|b| b.is_ascii_graphic()))
}

/// Letters, digits and `.`, `_`, `-`: what can stand in a path as it is.
///
/// # Errors
/// When it is not.
pub fn plain_code(value: &str, _: &()) -> garde::Result {
    check(value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')))
}

/// From 1 to 1,000,000,000 of each item code: lower case, digits and `_`, at most 64.
///
/// # Errors
/// When one is not.
pub fn grants(value: &BTreeMap<String, u32>, _: &()) -> garde::Result {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let good = |code: &String| (1..=64).contains(&code.len()) && code.bytes().all(plain);
    let some = |count: &u32| (1..=1_000_000_000).contains(count);
    check(value.keys().all(good) && value.values().all(some))
}

/// A code of ISO 4217.
///
/// # Errors
/// When it is not of three capitals.
pub fn currency(value: &str, _: &()) -> garde::Result {
    check(value.len() == 3 && value.bytes().all(|b| b.is_ascii_uppercase()))
}

/// Event types that a webhook subscribes to: `streak.claim`, `shop.*` or `*`.
///
/// # Errors
/// When it is not that.
pub fn event_filter(value: &str, (): &()) -> garde::Result {
    check(EventFilter::try_from(value.to_owned()).is_ok())
}

fn check(ok: bool) -> garde::Result {
    if ok { Ok(()) } else { Err(garde::Error::new("invalid_format")) }
}

/// Makes garde answer in codes, which are worded later, when the reader's
/// language is known.
struct Codes;

type Text = Cow<'static, str>;

impl i18n::I18n for Codes {
    fn length_lower_than(&self, min: usize) -> Text {
        format!("too_short:{min}").into()
    }
    fn length_greater_than(&self, max: usize) -> Text {
        format!("too_long:{max}").into()
    }
    fn range_lower_than(&self, min: &dyn Display) -> Text {
        format!("too_small:{min}").into()
    }
    fn range_greater_than(&self, max: &dyn Display) -> Text {
        format!("too_large:{max}").into()
    }
    fn required_not_set(&self) -> Text {
        "required".into()
    }
    fn credit_card_invalid(&self, _: i18n::InvalidCreditCard) -> Text {
        INVALID
    }
    fn pattern_no_match(&self, _: &dyn Display) -> Text {
        INVALID
    }
    fn contains_missing(&self, _: &dyn Display) -> Text {
        INVALID
    }
    fn url_invalid(&self, _: i18n::InvalidUrl) -> Text {
        INVALID
    }
    fn prefix_missing(&self, _: &dyn Display) -> Text {
        INVALID
    }
    fn suffix_missing(&self, _: &dyn Display) -> Text {
        INVALID
    }
    fn phone_number_invalid(&self, _: i18n::InvalidPhoneNumber) -> Text {
        INVALID
    }
    fn ip_invalid(&self, _: i18n::IpKind) -> Text {
        INVALID
    }
    fn matches_field_mismatch(&self, _: &dyn Display) -> Text {
        INVALID
    }
    fn email_invalid(&self, _: i18n::InvalidEmail) -> Text {
        INVALID
    }
    fn ascii_invalid(&self) -> Text {
        INVALID
    }
    fn alphanumeric_invalid(&self) -> Text {
        INVALID
    }
}

const INVALID: Text = Cow::Borrowed("invalid_format");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_mail_services_take() {
        let takes = |text: &str| email_address(&text.into(), &()).is_ok();
        let longest = format!("{}@{}.{}.example", "a".repeat(64), "b".repeat(63), "c".repeat(63));
        for sound in ["a@b.co", "jimin.kim+casino@mail.example.com", "o'neil@x-y.example", &longest]
        {
            assert!(takes(sound), "{sound}");
        }
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        let long = format!("a@{}com", "b.".repeat(130));
        for unsound in [
            "",
            "@",
            "a",
            "a@b",
            "a@@b.co",
            "a@b@c.co",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "a@.co",
            "a@b.",
            "a@-b.co",
            "a@b-.co",
            "a@1.2.3.4",
            "a b@c.co",
            "a@b.co ",
            "a@b.co\r\nBcc: c@d.co",
            "\"a\"@b.co",
            "별@b.co",
            "a@별.co",
            "a,b@c.co",
            "A <a@b.co>",
            &long_local,
            &long_label,
            &long,
        ] {
            assert!(!takes(unsound), "{unsound}");
        }
    }
    #[test]
    fn a_nickname_hides_nothing_and_is_spelled_one_way() {
        let takes = |text: &str| nickname(text, &()).is_ok();
        for sound in ["지민", "ㅋㅋ", "jimin_01", "서-연", "ひなた", "名前"] {
            assert!(takes(sound), "{sound}");
        }
        for unsound in [
            "\u{110c}\u{1175}\u{1106}\u{1175}\u{11ab}",
            "\u{3164}\u{3164}",
            "\u{ffa0}a",
            "a b",
            "a\u{200b}b",
            "a\u{115f}",
        ] {
            assert!(!takes(unsound), "{unsound:?}");
        }
    }
}
