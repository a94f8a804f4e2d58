#![allow(clippy::unwrap_used, clippy::expect_used)]

use tributary_api::{Value, json};

use super::{Expression, Variables};
use crate::signals::Signals;

fn evaluate(source: &str) -> Result<bool, String> {
    let event = json::from_slice(br#"{"type":"product_view","price":149.5,"tags":["a","b"]}"#).unwrap();
    let profile = json::from_slice(br#"{"tier":"gold","age":40,"consent":{"marketing":true},"empty":null}"#).unwrap();
    let signals =
        Signals { view_count: 3, engaged_s: 25, sessions_before: 1, raised: vec![("linger", true), ("other", false)] };
    let variables = Variables { event: &event, profile: &profile, signals: &signals, now: 1000 };
    let expression = Expression::compile(source, &["view_count", "engaged_s", "linger", "other"])
        .map_err(|error| error.to_string())?;
    expression.evaluate(&variables).map_err(|error| error.to_string())
}

#[test]
fn values_are_seen_as_they_are() {
    for source in [
        "signal.linger && !signal.other",
        "signal.view_count == 3 && signal.engaged_s > 20",
        "profile.tier == 'gold' && profile.age >= 40",
        "profile.consent.marketing",
        "has(profile.consent.marketing) && !has(profile.consent.mail)",
        "!has(profile.missing) && has(profile.tier)",
        "profile.missing == null && profile.empty == null && profile.missing.deeper == null",
        "profile.missing != 'gold'",
        "event.price < 150.0",
        "'a' in event.tags && !('c' in event.tags) && size(event.tags) == 2",
        "event.tags.exists(t, t == 'b')",
        "event.tags.all(t, t.startsWith('x') || size(t) == 1)",
        "now == 1000",
        "event['type'] == 'product_view'",
        "profile.age > 50 ? false : true",
    ] {
        assert_eq!(evaluate(source), Ok(true), "{source}");
    }
}

#[test]
fn no_value_is_an_error() {
    for source in ["profile.missing > 3", "profile.missing && true", "profile.tier", "1", "profile.tier > 3"] {
        let error = evaluate(source).unwrap_err();
        assert!(error.contains("rule"), "{source}: {error}");
    }
}

#[test]
fn missing_below_a_false_clause_does_not_matter() {
    assert_eq!(evaluate("signal.other && profile.missing > 3"), Ok(false));
    assert_eq!(evaluate("has(profile.missing) && profile.missing > 3"), Ok(false));
}

#[test]
fn lists_are_cut() {
    let long: Vec<Value> = (0..1000).map(Value::Int64).collect();
    let event = Value::map([("list", Value::Array(long))]);
    let signals = Signals { view_count: 0, engaged_s: 0, sessions_before: 0, raised: Vec::new() };
    let variables = Variables { event: &event, profile: &Value::Null, signals: &signals, now: 0 };
    let expression = Expression::compile("size(event.list) == 256", &[]).unwrap();
    assert_eq!(expression.evaluate(&variables), Ok(true));
}
