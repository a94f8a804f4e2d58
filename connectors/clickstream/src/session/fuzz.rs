//! Fuzzes tokens and cookies, which are untrusted.
#![allow(clippy::unwrap_used)]

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use tributary_testkit::fuzz;

use super::{DEFAULT_COOKIE, Session, Signer, cookie_value};

const NOW: i64 = 1_700_000_000_000;

#[test]
fn fuzz_tokens() {
    let signer = Signer::new("a secret of the tests only, of 32 bytes").unwrap();
    let session = Session::of_customer("c-1".to_owned(), NOW + 1_000).unwrap();
    let token = signer.issue(&session);
    let other = Signer::new("another secret of the tests, of 32 bytes").unwrap().issue(&session);
    let unsigned = token.rsplit_once('.').unwrap().0.to_owned();
    let examples =
        [token.as_bytes(), other.as_bytes(), unsigned.as_bytes(), b"v1..", b"v2.e30.AA", b"v1.e30.e30", b"e30.e30.AA"];
    fuzz(&examples, |text| {
        let verified = signer.verify(std::str::from_utf8(text).ok()?, NOW);
        if let Ok(verified) = &verified {
            assert_eq!(text, token.as_bytes(), "a token that was never issued was accepted as {verified:?}");
        }
        Some(format!("{verified:?}").len())
    });
}

#[test]
fn fuzz_cookies() {
    let examples = [
        format!("{DEFAULT_COOKIE}=v1.e30.AA; other=1"),
        format!("a=\"b;c\"; {DEFAULT_COOKIE}=\"quoted\";; ={DEFAULT_COOKIE}="),
    ];
    fuzz(&[examples[0].as_bytes(), examples[1].as_bytes()], |text| {
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_bytes(text).ok()?)]);
        cookie_value(&headers, DEFAULT_COOKIE).map(|value| value.len().min(16))
    });
}
