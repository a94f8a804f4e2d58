//! Bodies of strangers.

use tributary_api::ByteString;
use tributary_testkit::fuzz;

use super::parse::parse;

const BODIES: [&[u8]; 6] = [
    br#"{"event_id":"e","type":"product_view","ts":1700000000000,"a":{"b":[1,2.5,null,true,"\u00e4\ud83d\ude00"]}}"#,
    br#"[{"type":"x"},{"type":"y","n":-1e300},{}]"#,
    b"{\"type\":\"x\"}\n{\"type\":\"y\"}\r\n\n{\"broken\":",
    br#"{"a":[{},{},{},{},{},{}]}"#,
    br#"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"#,
    br#"{"a":123456789012345678901234567890,"a":0.1}"#,
];

#[test]
fn fuzz_bodies() {
    fuzz(&BODIES, |body| {
        let Ok(text) = ByteString::try_from(body) else { return None };
        Some([true, false].map(|lines| {
            let parsed = parse(&text, lines, 100).map_err(|error| format!("{error:?}").len().min(60))?;
            let kinds: Vec<bool> = parsed.events.iter().map(Result::is_ok).take(8).collect();
            Ok::<_, usize>((kinds, parsed.bytes.checked_ilog2()))
        }))
    });
}
