//! The page of the mails that were sent.

use std::fmt::Write as _;

use crate::engine::Mail;

/// The mails as a page, in the order they are given.
pub(crate) fn page(mails: &[Mail]) -> String {
    let mut page = String::from(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>Mailbox</title></head>\
         <body><h1>Mailbox</h1>",
    );
    if mails.is_empty() {
        page.push_str("<p>No mail so far.</p>");
    }
    for Mail { at, from, to, subject, text, .. } in mails {
        let to = to.join(", ");
        let [at, from, to, subject, text] =
            [at, from, &to, subject, text].map(|text| escaped(text));
        write!(
            page,
            "<hr><h2>{subject}</h2><p>{at}<br>From: {from}<br>To: {to}</p><pre>{text}</pre>"
        )
        .expect("writing to a String does not fail");
    }
    page.push_str("</body></html>");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_mail_is_markup() {
        let nasty = "<script>&\"";
        let mail = Mail {
            id: nasty.to_owned(),
            at: nasty.to_owned(),
            from: nasty.to_owned(),
            to: vec![nasty.to_owned(); 2],
            subject: nasty.to_owned(),
            text: nasty.to_owned(),
            html: nasty.to_owned(),
        };
        let page = page(&[mail]);
        assert!(!page.contains("<script>"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;&amp;&quot;").count(), 6);
    }
}
