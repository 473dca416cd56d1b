//! Query strings.

use proptest::{prelude::*, sample};

use crate::{
    nasty::text,
    support::{Product, Request, fuzz},
};

/// Percent-encodes what a client must, or only what no server lets through.
fn encode(text: &str, all: bool) -> String {
    let keep = |byte: u8| {
        if all { byte.is_ascii_alphanumeric() } else { !byte.is_ascii_control() && byte != b' ' }
    };
    let encoded = text.bytes().flat_map(|byte| {
        if keep(byte) && byte.is_ascii() { vec![byte] } else { format!("%{byte:02X}").into_bytes() }
    });
    String::from_utf8(encoded.collect()).unwrap_or_default()
}

fn pair() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        3 => sample::select(vec!["limit", "cursor"]).prop_map(str::to_owned),
        1 => text(),
    ];
    let value = prop_oneof![text(), (0..200_u32).prop_map(|n| n.to_string())];
    (name, value)
}

fn query() -> impl Strategy<Value = String> {
    let joined = (prop::collection::vec(pair(), 0..4), any::<bool>()).prop_map(|(pairs, all)| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name, all), encode(value, all)))
            .collect();
        pairs.join("&")
    });
    prop_oneof![2 => joined, 1 => text().prop_map(|text| encode(&text, false))]
}

#[test]
fn a_page_is_asked_for_by_limit_and_cursor_or_refused_with_a_pointer() {
    let product = Product::start();
    fuzz(800, &query(), |query| {
        let request = Request::new("GET", "/api/streak/history")
            .header("authorization", product.bearer())
            .query(query);
        let reply = product.ask(&request)?;
        if reply.status != 200 {
            prop_assert_eq!((reply.status, reply.code()), (422, "validation_failed"));
            prop_assert!(reply.body["errors"][0]["pointer"].is_string(), "{}", reply.text);
        }
        Ok(())
    });
}

#[test]
fn whoever_reads_no_query_minds_none() {
    let product = Product::start();
    let paths = vec!["/health", "/openapi.json", "/api/shop/catalog", "/api/users/balance"];
    fuzz(400, &(sample::select(paths), query()), |(path, query)| {
        let request = Request::new("GET", path).header("authorization", product.bearer());
        prop_assert_eq!(product.ask(&request.query(query))?.status, 200);
        Ok(())
    });
}
