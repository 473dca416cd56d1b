//! The languages people are answered in.

/// A language of the product. Korean unless the reader prefers English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    Korean,
    English,
}

impl Language {
    /// The preferred language of an `Accept-Language` header.
    ///
    /// The highest quality wins, the first of equals; languages the product does
    /// not speak are skipped, and nothing left means Korean.
    ///
    /// ```
    /// use contract::Language;
    /// assert_eq!(Language::negotiate("en-US,en;q=0.9"), Language::English);
    /// assert_eq!(Language::negotiate("fr, ko;q=0.8, en;q=0.4"), Language::Korean);
    /// assert_eq!(Language::negotiate("fr"), Language::Korean);
    /// ```
    #[must_use]
    pub fn negotiate(accept_language: &str) -> Self {
        let mut best = (0, Self::Korean);
        for range in accept_language.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let primary = tag.split('-').next().unwrap_or_default();
            let language = match primary.to_ascii_lowercase().as_str() {
                "ko" | "*" => Self::Korean,
                "en" => Self::English,
                _ => continue,
            };
            let thousandths =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, quality_thousandths);
            if thousandths > best.0 {
                best = (thousandths, language);
            }
        }
        best.1
    }

    /// The BCP 47 tag, as `Content-Language` carries it.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Korean => "ko",
            Self::English => "en",
        }
    }
}

/// `q` in thousandths; 0 (refused) for what is not a quality.
fn quality_thousandths(q: &str) -> u16 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
    match (whole, digits) {
        ("1", true) => 1000,
        ("0", true) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_highest_quality_the_product_speaks() {
        for (header, want) in [
            ("", Language::Korean),
            ("en", Language::English),
            ("EN-gb", Language::English),
            ("ko-KR,en;q=0.9", Language::Korean),
            ("ko;q=0.5, en;q=0.75", Language::English),
            ("de;q=1.0, en;q=0.1", Language::English),
            ("en;q=0", Language::Korean),
            ("en;q=banana", Language::Korean),
            ("*", Language::Korean),
            ("en, *;q=0.5", Language::English),
        ] {
            assert_eq!(Language::negotiate(header), want, "{header:?}");
        }
    }
}
