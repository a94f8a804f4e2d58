#![allow(clippy::unwrap_used, clippy::expect_used)]

use tributary_api::{Value, json};

use super::{Budget, Expression, Variables};
use crate::signals::{Raised, Signals};

fn evaluate(source: &str) -> Result<bool, String> {
    let event = json::from_slice(br#"{"type":"product_view","price":149.5,"tags":["a","b"]}"#).unwrap();
    let profile = json::from_slice(br#"{"tier":"gold","age":40,"consent":{"marketing":true},"empty":null}"#).unwrap();
    let signals = Signals { numbers: [3, 25, 1, 0], raised: vec![("linger", Raised::Now), ("other", Raised::No)] };
    let budget = Budget::default();
    let variables = Variables {
        event: &event,
        profile: &profile,
        product: &Value::Null,
        signals: &signals,
        now: 1000,
        budget: &budget,
    };
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
    let signals = Signals { numbers: [0; 4], raised: Vec::new() };
    let budget = Budget::default();
    let variables = Variables {
        event: &event,
        profile: &Value::Null,
        product: &Value::Null,
        signals: &signals,
        now: 0,
        budget: &budget,
    };
    let expression = Expression::compile("size(event.list) == 256", &[]).unwrap();
    assert_eq!(expression.evaluate(&variables), Ok(true));
}

/// How many of these expressions have a value for an event, evaluated one after the other on one budget.
fn evaluated(sources: &[String], event: &Value) -> usize {
    let signals = Signals { numbers: [0; 4], raised: Vec::new() };
    let budget = Budget::default();
    let variables =
        Variables { event, profile: &Value::Null, product: &Value::Null, signals: &signals, now: 0, budget: &budget };
    let expressions = sources.iter().map(|source| Expression::compile(source, &[]).unwrap());
    expressions.filter(|expression| expression.evaluate(&variables).is_ok()).count()
}

#[test]
fn what_the_rules_of_an_event_take_is_bounded() {
    let list = |items: i64| Value::map([("list", Value::Array((0..items).map(Value::Int64).collect()))]);
    let heavy = vec!["event.list.all(t, t >= 0)"; 60].join(" && ");
    let heavy = vec![heavy; 20];
    assert_eq!(evaluated(&heavy, &list(1)), 20, "short lists cost little");
    assert!(evaluated(&heavy, &list(256)) < 10, "long lists are paid for");
    let chained = vec!["event.list.map(t, t + 1).map(t, t + 1).map(t, t + 1).all(t, t > 0)".to_owned(); 50];
    assert_eq!(evaluated(&chained, &list(4)), 50);
    assert!(evaluated(&chained, &list(256)) < 20);
    let nested = Value::map([("list", Value::Array(vec![list(256).get("list").unwrap().clone(); 256]))]);
    assert_eq!(evaluated(&["size(event.list) == 256".to_owned()], &nested), 0, "lists in lists are converted whole");
    let text = Value::map([("text", Value::string("x".repeat(1_000_000)))]);
    let searched = vec!["event.text.contains('y') || true".to_owned(); 50];
    assert!(evaluated(&searched, &text) < 20, "long texts are paid for");
}

#[test]
fn a_list_that_is_written_out_counts_for_each_item() {
    let items = vec!["1"; 500].join(",");
    let written = Expression::compile(&format!("[{items}].all(t, t == 1 && t < 2 && t > 0)"), &[]).unwrap();
    assert!(written.steps() > 500 * 5, "{}", written.steps());
}

/// A long chain of operators is nested as deeply for the evaluator as brackets are.
#[test]
fn what_would_take_all_of_a_threads_stack_is_refused() {
    let rows = [vec!["1"; 300].join(" + "), vec!["now"; 300].join(" - "), format!("event{}", ".a".repeat(300))];
    for row in rows {
        let error = evaluate(&format!("{row} == 0")).unwrap_err();
        assert!(error.contains("within each other") || error.contains("parse"), "{row}: {error}");
    }
    assert_eq!(evaluate(&format!("{} == 15", vec!["1"; 15].join(" + "))), Ok(true));
}

#[test]
fn fuzz_expressions() {
    let examples: [&[u8]; 6] = [
        b"signal.linger && !signal.other || profile.consent.marketing ? now > 5 : has(profile.tier)",
        b"event.tags.exists(t, t == 'vip') && size(event.tags) in [1, 2u, -3, 0x7f]",
        b"profile['tier'] + \"gold\" != b'\\xff\\u00e4' && 1.5e300 * -2.0 / 0.0 % 3 <= 4",
        b"event.price.startsWith('x') == {'a': [null, true]}['a'][0]",
        b"((((((((((((((((now))))))))))))))))",
        b"!!!!----1",
    ];
    tributary_testkit::fuzz(&examples, |text| {
        let source = std::str::from_utf8(text).ok()?;
        Some(evaluate(source).map_err(|error| error.len().min(80)))
    });
}
