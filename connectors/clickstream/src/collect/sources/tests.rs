use axum::http::Request;

use super::*;

const NOW: i64 = 1_800_000_000_000;
const BODY: &[u8] = br#"{"type":"order"}"#;
/// Of `key of the app`, by `sha256sum`.
const HASH: &str = "e2c3ea9c30f72b2b486f83ce54bd0a727ccc0769215eb19fc77f5a34ecd25a6c";
const SECRETS: &str = "till=the secret of the till is long enough";
/// Of the time and the body, by Python's `hmac`.
const MAC: &str = "0fab7748bf764e14dac07120a57db1eccaaa6f3e7545cef4513fc690d2c4d62d";

fn sources(settings: SourceSettings) -> Sources {
    let keys = [format!("app={HASH}")];
    Sources::new(&keys, SECRETS, settings).unwrap()
}

fn settings() -> SourceSettings {
    SourceSettings { required: true, signature_age_ms: 300_000, events_per_second: 0 }
}

fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().uri(uri);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

fn signed(at: i64, mac: &str) -> Parts {
    parts("/collect", &[("x-signature", &format!("source=till,t={at},v1={mac}"))])
}

fn name(parts: &Parts) -> Result<Option<String>, SourceError> {
    Ok(sources(settings()).sender(parts, NOW)?.map(|sender| sender.name().to_string()))
}

#[test]
fn a_key_is_sent_in_a_header_or_the_query() {
    let basic = format!("Basic {}", BASE64.encode("key of the app:"));
    for headers in [("x-api-key", "key of the app"), ("x-write-key", "key of the app"), ("authorization", &basic)] {
        assert_eq!(name(&parts("/collect", &[headers])), Ok(Some("app".to_owned())), "{headers:?}");
    }
    assert_eq!(name(&parts("/collect", &[])), Err(SourceError::Absent));
    assert_eq!(name(&parts("/collect?key=guess", &[])), Err(SourceError::Unknown));
    assert_eq!(name(&parts("/collect", &[("x-api-key", HASH)])), Err(SourceError::Unknown), "the hash is no key");
    let lenient = sources(SourceSettings { required: false, ..settings() });
    assert!(lenient.sender(&parts("/collect", &[]), NOW).unwrap().is_none());
    assert!(lenient.sender(&parts("/collect?key=guess", &[]), NOW).is_err());
    assert!(Sources::default().sender(&parts("/collect?key=guess", &[]), NOW).unwrap().is_none());
}

#[test]
fn a_signature_is_of_the_body_and_of_now() {
    let sources = sources(settings());
    let verify = |parts: &Parts, now: i64, body: &[u8]| sources.sender(parts, now)?.unwrap().verify(body);
    assert_eq!(verify(&signed(NOW, MAC), NOW, BODY), Ok(()));
    assert_eq!(verify(&signed(NOW, MAC), NOW - 300_000, BODY), Ok(()));
    assert_eq!(verify(&signed(NOW, MAC), NOW + 300_001, BODY), Err(SourceError::Stale));
    assert_eq!(verify(&signed(NOW, MAC), NOW, b"{}"), Err(SourceError::Unknown));
    assert_eq!(verify(&signed(NOW + 1, MAC), NOW, BODY), Err(SourceError::Unknown), "the time is signed too");
    for at in 0..MAC.len() {
        let mut changed = MAC.to_owned();
        changed.replace_range(at..=at, if MAC.as_bytes()[at] == b'0' { "1" } else { "0" });
        assert_eq!(verify(&signed(NOW, &changed), NOW, BODY), Err(SourceError::Unknown), "{at}");
    }
    for header in
        ["", "t=1", "source=till,t=x,v1=00", "source=app,t=1800000000000,v1=", &format!("source=app,t={NOW},v1={MAC}")]
    {
        let parts = parts("/collect", &[("x-signature", header)]);
        assert_eq!(verify(&parts, NOW, BODY), Err(SourceError::Unknown), "{header}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_has_its_rate() {
    let sources = sources(SourceSettings { events_per_second: 100, ..settings() });
    let parts = parts("/collect", &[("x-api-key", "key of the app")]);
    let sender = sources.sender(&parts, NOW).unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(sources.admit(sender, 100), Ok(()));
    assert_eq!(sources.admit(sender, 50), Err(Duration::from_secs(1)));
    tokio::time::advance(Duration::from_millis(1000)).await;
    assert_eq!(sources.admit(sender, 1_000), Ok(()), "one request may be large");
    assert_eq!(sources.admit(sender, 1), Err(Duration::from_secs(10)));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(sources.admit(sender, 200), Ok(()), "an idle second is saved, and no more");
    assert_eq!(sources.admit(sender, 1), Err(Duration::from_secs(1)));
}

#[test]
fn what_is_wrong_is_said_without_the_secret() {
    let fault = |keys: &[&str], secrets: &str| {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let (is_key, error) = Sources::new(&keys, secrets, settings()).unwrap_err();
        assert!(!error.to_string().contains("SECRET-OF"), "{error}");
        (is_key, error.to_string())
    };
    assert!(fault(&["app=plain"], "").1.contains("SHA-256"));
    assert!(fault(&[HASH], "").1.contains("NAME=HASH"));
    assert!(fault(&[&format!("a b={HASH}")], "").1.contains("name of a source"));
    assert!(fault(&[], "till=SECRET-OF").1.contains("too short"));
    assert!(!fault(&[], "SECRET-OF-THE-TILL-WITHOUT-ITS-NAME").0);
    assert!(!format!("{:?}", sources(settings())).contains("the secret"));
}
