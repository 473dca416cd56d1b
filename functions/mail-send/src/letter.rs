//! What the mails say: in Korean first, then in English, as text and as HTML.
//!
//! No names, balances or addresses: whoever reads over a shoulder, or gets a mail that
//! was meant for somebody else, learns as little as possible.

use contract::Secret;
use jiff::{Timestamp, tz::TimeZone};

use crate::notice::{News, Purchase};

/// A mail without its address. No `Debug`: it may hold a token.
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// What is said, once in each language.
struct Said {
    subject: [&'static str; 2],
    korean: Vec<String>,
    english: Vec<String>,
}

/// The last paragraph of what warns.
const NOT_YOU: [&str; 2] = [
    "본인이 하지 않았다면 즉시 비밀번호를 변경하고 모든 기기에서 로그아웃해 주세요.",
    "If this was not you, change your password at once and sign out everywhere.",
];

impl Letter {
    /// The mail about what happened at `at`.
    pub fn of(news: &News, at: Timestamp) -> Self {
        let at = instant(at);
        match news {
            News::PasswordChanged => Self::warning(
                ["비밀번호가 변경되었습니다", "Your password was changed"],
                format!("{at}에 계정의 비밀번호가 변경되었습니다."),
                format!("The password of your account was changed at {at}."),
            ),
            News::NewDevice => Self::warning(
                ["새로운 기기에서 로그인했습니다", "New sign-in to your account"],
                format!("{at}에 이전에 사용하지 않던 기기에서 계정에 로그인했습니다."),
                format!("A device that was not seen before signed in to your account at {at}."),
            ),
            News::Receipt(purchase) => receipt(purchase, &at).render(),
        }
    }

    /// The mail that asks whether the address is the player's.
    pub fn confirmation(token: &Secret, page: Option<&str>, until: Timestamp) -> Self {
        let (token, until) = (token.expose(), instant(until));
        // Behind a `#`, so that it is in nobody's access log.
        let way = page.map_or_else(|| token.to_owned(), |page| format!("{page}#token={token}"));
        let (korean, english) = if page.is_some() {
            ("아래 주소를 열어", "Open the address below")
        } else {
            ("아래 코드를 입력하여", "Enter the code below")
        };
        let said = Said {
            subject: ["이메일 주소를 확인해 주세요", "Confirm your mail address"],
            korean: vec![
                format!("{korean} {until}까지 이메일 주소를 확인해 주세요."),
                way.clone(),
                "본인이 요청하지 않았다면 이 메일을 무시해 주세요.".to_owned(),
            ],
            english: vec![
                format!("{english} until {until} to confirm your mail address."),
                way,
                "If you did not ask for this, ignore this mail.".to_owned(),
            ],
        };
        said.render()
    }

    fn warning(subject: [&'static str; 2], korean: String, english: String) -> Self {
        let [not_you_korean, not_you_english] = NOT_YOU.map(str::to_owned);
        let korean = vec![korean, not_you_korean];
        Said { subject, korean, english: vec![english, not_you_english] }.render()
    }
}

fn receipt(purchase: &Purchase, at: &str) -> Said {
    let Purchase { receipt, product, quantity, gold, .. } = purchase;
    let amount = money(purchase.amount_minor, &purchase.currency);
    let credited =
        gold.map(|gold| [format!("지급된 골드: {gold}"), format!("Gold credited: {gold}")]);
    let [gold_korean, gold_english] = credited.map_or([None, None], |both| both.map(Some));
    let lines = |head: &str, names: [&str; 5], gold: Option<String>, note: &str| {
        let [number, what, count, paid, time] = names;
        let facts = [
            format!("{number}: {receipt}"),
            format!("{what}: {product}"),
            format!("{count}: {quantity}"),
            format!("{paid}: {amount}"),
            format!("{time}: {at}"),
        ];
        let head = std::iter::once(head.to_owned());
        head.chain(facts).chain(gold).chain([note.to_owned()]).collect()
    };
    Said {
        subject: ["구매 영수증", "Your receipt"],
        korean: lines(
            "구매해 주셔서 감사합니다.",
            ["영수증 번호", "상품", "수량", "결제 금액", "구매 시각"],
            gold_korean,
            "골드는 가상 재화이며 현금으로 바꿀 수 없습니다.",
        ),
        english: lines(
            "Thank you for your purchase.",
            ["Receipt", "Product", "Quantity", "Amount paid", "Time"],
            gold_english,
            "Gold is virtual and can never be cashed out.",
        ),
    }
}

impl Said {
    fn render(&self) -> Letter {
        let Self { subject: [korean, english], .. } = self;
        let languages = [("ko", &self.korean), ("en", &self.english)];
        let html = languages.map(|(language, paragraphs)| {
            let paragraphs: String =
                paragraphs.iter().map(|text| format!("<p>{}</p>", escaped(text))).collect();
            format!("<div lang=\"{language}\">{paragraphs}</div>")
        });
        Letter {
            subject: format!("[Casino-Club] {korean} / {english}"),
            text: languages.map(|(_, paragraphs)| paragraphs.join("\n\n")).join("\n\n--\n\n")
                + "\n",
            html: format!(
                "<!DOCTYPE html><html><head><meta charset=\"utf-8\"></head><body>{}</body></html>",
                html.join("<hr>")
            ),
        }
    }
}

/// To the minute, as both languages write it.
fn instant(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// An amount in its currency's own unit. Currencies without a smaller one are named;
/// of one that nobody knows the smallest unit is shown, and said to be.
fn money(amount_minor: i64, currency: &str) -> String {
    match currency {
        "KRW" | "JPY" | "VND" => format!("{amount_minor} {currency}"),
        "USD" | "EUR" | "GBP" | "CNY" | "TWD" | "HKD" | "SGD" | "AUD" | "CAD" => {
            let sign = if amount_minor < 0 { "-" } else { "" };
            let amount = amount_minor.unsigned_abs();
            format!("{sign}{}.{:02} {currency}", amount / 100, amount % 100)
        }
        _ => format!("{amount_minor} {currency} (minor units)"),
    }
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, c| {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-21T12:00:59.999Z".parse().expect("an instant")
    }

    fn purchase(product: &str, gold: Option<i64>) -> News {
        News::Receipt(Purchase {
            receipt: "r-1".to_owned(),
            product: product.to_owned(),
            quantity: 2,
            amount_minor: 1999,
            currency: "USD".to_owned(),
            gold,
        })
    }

    #[test]
    fn every_mail_is_in_korean_first_and_then_in_english() {
        let token = Secret::from("7.token");
        let letters = [
            Letter::of(&News::PasswordChanged, noon()),
            Letter::of(&News::NewDevice, noon()),
            Letter::of(&purchase("gold_1000", Some(1000)), noon()),
            Letter::confirmation(&token, None, noon()),
            Letter::confirmation(&token, Some("https://play.example/confirm"), noon()),
        ];
        let hangul = |text: &str| text.find(|c| ('가'..='힣').contains(&c));
        for Letter { subject, text, html } in letters {
            assert!(hangul(&subject) < subject.find(" / "), "{subject}");
            let (korean, english) = text.split_once("\n\n--\n\n").expect("two languages");
            assert!(hangul(korean).is_some() && hangul(english).is_none(), "{text}");
            assert!(text.contains("2026-11-21 12:00 UTC"), "{text}");
            assert!(html.find("lang=\"ko\"") < html.find("lang=\"en\""), "{html}");
        }
    }

    #[test]
    fn a_confirmation_shows_its_code_or_leads_to_the_page() {
        let token = Secret::from("7.token");
        let code = Letter::confirmation(&token, None, noon());
        assert!(code.text.contains("\n\n7.token\n\n"), "{}", code.text);
        let page = Letter::confirmation(&token, Some("https://play.example/confirm"), noon());
        assert!(page.text.contains("\n\nhttps://play.example/confirm#token=7.token\n\n"));
    }

    #[test]
    fn a_receipt_names_what_was_paid_and_what_was_credited() {
        let letter = Letter::of(&purchase("gold_1000", Some(1000)), noon());
        for fact in ["r-1", "gold_1000", "Quantity: 2", "19.99 USD", "Gold credited: 1000"] {
            assert!(letter.text.contains(fact), "{fact}: {}", letter.text);
        }
        assert!(!Letter::of(&purchase("x", None), noon()).text.contains("credited"));
    }

    #[test]
    fn amounts_are_written_as_their_currency_is() {
        for (amount, currency, written) in [
            (11_000, "KRW", "11000 KRW"),
            (5, "USD", "0.05 USD"),
            (-1_999, "EUR", "-19.99 EUR"),
            (i64::MIN, "USD", "-92233720368547758.08 USD"),
            (7, "XTS", "7 XTS (minor units)"),
        ] {
            assert_eq!(money(amount, currency), written);
        }
    }

    #[test]
    fn nothing_of_a_purchase_is_markup() {
        let letter = Letter::of(&purchase("<script>\"'&", None), noon());
        assert!(letter.html.contains("&lt;script&gt;&quot;&#39;&amp;"), "{}", letter.html);
    }
}
