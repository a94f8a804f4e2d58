#![allow(clippy::unwrap_used, clippy::panic)]

use tributary_api::{Value, json};

use super::Condition;

/// All of GrowthBook's published cases. A condition that is refused holds for nobody.
#[test]
fn conditions_are_growthbooks() {
    let cases = json::from_slice(include_bytes!("growthbook/conditions.json")).unwrap();
    let mut wrong = Vec::new();
    for case in cases.as_array().unwrap() {
        let [name, condition, attributes, expected, rest @ ..] = case.as_array().unwrap() else { panic!("{case:?}") };
        let groups = |name: &str| {
            let group = rest.first().and_then(|groups| groups.get(name)).and_then(Value::as_array);
            group.map(<[Value]>::to_vec).unwrap_or_default()
        };
        let holds = Condition::parse(condition, &groups).is_ok_and(|condition| condition.holds(attributes));
        if Some(holds) != expected.as_bool() {
            wrong.push(name.as_str().unwrap().to_owned());
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.as_array().unwrap().len());
}

#[test]
fn what_is_no_condition_is_refused() {
    let none = |_: &str| Vec::new();
    for (text, named) in [
        (r#"{"a": {"$regx": "b"}}"#, "$regx"),
        (r#"{"a": {"$regex": "("}}"#, "no regular expression"),
        (r#"{"$or": {}}"#, "list"),
        ("[]", "object"),
    ] {
        let error = Condition::parse(&json::from_slice(text.as_bytes()).unwrap(), &none).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
    let deep = format!("{}{}{}", r#"{"$not":"#.repeat(40), "{}", "}".repeat(40));
    assert!(Condition::parse(&json::from_slice(deep.as_bytes()).unwrap(), &none).is_err());
}
