//! Fuzzes bodies, which are untrusted.

use std::sync::Arc;

use bytes::Bytes;
use tributary_testkit::fuzz;

use super::budget::{Budget, BudgetLimits};
use super::config::Limits;
use super::parse::{EventError, ParseError, parse};
use crate::http::Client;

const BODIES: [&[u8]; 9] = [
    br#"{"event_id":"e","type":"product_view","ts":1700000000000,"a":{"b":[1,2.5,null,true,"\u00e4\ud83d\ude00"]}}"#,
    br#"[{"type":"x"},{"type":"y","n":-1e300},{}]"#,
    b"{\"type\":\"x\"}\n{\"type\":\"y\"}\r\n\n{\"broken\":",
    br#"{"a":[{},{},{},{},{},{}]}"#,
    br#"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"#,
    br#"{"a":123456789012345678901234567890,"a":0.1}"#,
    br#"{"batch":[{"type":"x","ts":1},{"type":"y"}],"sent_at":1700000000000,"context":{"a":"}"}}"#,
    br#"[{"x":"caf\ud83d"},{"x":"\ude00\"},{"},{]"#,
    b"[{\"a\":\"\xff\"},{\"b\":\"\\\\\"}]",
];
const LIMITS: Limits =
    Limits { wire_bytes: 1 << 20, inflated_bytes: 4 << 20, events: 100, event_bytes: 2_000, values: 1_000, ratio: 100 };
const BYTES: usize = 1 << 20;

#[test]
fn fuzz_bodies() {
    fuzz(&BODIES, |body| {
        let budget = Arc::new(Budget::new(BudgetLimits { events: 100, bytes: BYTES, bytes_per_client: BYTES }));
        let outcomes = [true, false].map(|lines| {
            let mut reservation = budget.reserve(Client::UNKNOWN);
            let parsed = parse(&Bytes::copy_from_slice(body), lines, &LIMITS, &mut reservation);
            let parsed = parsed.map_err(|error| match error {
                ParseError::Bad(why) => why.len().min(80),
                other => 100 + format!("{other:?}").len(),
            })?;
            let outcome = |event: &Result<_, EventError>| match event {
                Ok(_) => 0,
                Err(EventError::TooLarge { .. }) => 1,
                Err(EventError::Invalid(why)) => 2 + why.len().min(80),
            };
            Ok::<Vec<usize>, usize>(parsed.events.iter().map(outcome).take(6).collect())
        });
        assert_eq!(budget.used(), (0, 0), "room is not given back");
        outcomes
    });
}
