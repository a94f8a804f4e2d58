//! Parses the answers of functions.

use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tributary_api::TopicPartition;

/// The records of a batch that a function reports as failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failures {
    /// None: the answer has no list of failures, or an empty one.
    None,
    /// The records of these offsets.
    Of(Vec<i64>),
    /// The answer names a record that is not in the batch: as with AWS, the whole batch counts as failed.
    Unknown(String),
}

/// `{"batchItemFailures":[{"itemIdentifier":{"partition":"topic-0","offset":42}}]}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partial {
    batch_item_failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    #[serde(default)]
    item_identifier: Json,
}

/// `{"payload":..}`
#[derive(Deserialize)]
struct Element {
    payload: Box<RawValue>,
}

/// Parses a partial batch response. Its format is that of AWS's Kafka trigger; the identifier may also be text,
/// `topic-0-42`. <https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html>
pub(crate) fn failures(answer: &[u8], partition: &TopicPartition, mut has: impl FnMut(i64) -> bool) -> Failures {
    // Most answers are arrays, and need not be parsed.
    if answer.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Failures::None;
    }
    let named = match serde_json::from_slice::<Partial>(answer) {
        Ok(Partial { batch_item_failures: Some(named) }) => named,
        _ => return Failures::None,
    };
    let mut offsets = Vec::with_capacity(named.len());
    for Failure { item_identifier } in named {
        match offset(&item_identifier, &partition.to_string()).filter(|offset| has(*offset)) {
            Some(offset) => offsets.push(offset),
            None => return Failures::Unknown(item_identifier.to_string()),
        }
    }
    if offsets.is_empty() { Failures::None } else { Failures::Of(offsets) }
}

fn offset(identifier: &Json, partition: &str) -> Option<i64> {
    match identifier {
        Json::Object(object) if object.get("partition").and_then(Json::as_str) == Some(partition) => {
            object.get("offset").and_then(Json::as_i64)
        }
        Json::String(text) => text.strip_prefix(partition)?.strip_prefix('-')?.parse().ok(),
        _ => None,
    }
}

/// The payloads of an answer that has one for each record; none of any other answer.
pub(crate) fn payloads(answer: &[u8], records: usize) -> Option<Vec<Box<RawValue>>> {
    let elements: Vec<Element> = serde_json::from_slice(answer).ok()?;
    (elements.len() == records).then(|| elements.into_iter().map(|element| element.payload).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str) -> Failures {
        failures(answer.as_bytes(), &TopicPartition::new("t", 0), |offset| (5..8).contains(&offset))
    }

    #[test]
    fn failures_are_named_as_awss_trigger_has_them() {
        let named = r#" {"batchItemFailures":[{"itemIdentifier":{"partition":"t-0","offset":6}},
                        {"itemIdentifier":"t-0-5"}]}"#;
        assert_eq!(of(named), Failures::Of(vec![6, 5]));
        for none in
            ["", "null", "[]", "7", "{}", "no json", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#]
        {
            assert_eq!(of(none), Failures::None, "{none}");
        }
        for unknown in [
            r#"{"partition":"t-0","offset":9}"#,
            r#"{"partition":"t-1","offset":6}"#,
            r#"{"offset":6}"#,
            r#""""#,
            "null",
            r#""t-0-x""#,
        ] {
            let answer = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":{unknown}}}]}}"#);
            assert_eq!(of(&answer), Failures::Unknown(unknown.to_owned()));
        }
        assert_eq!(of(r#"{"batchItemFailures":[{"id":"t-0-6"}]}"#), Failures::Unknown("null".to_owned()));
    }

    #[test]
    fn payloads_are_those_of_an_answer_with_one_for_each_record() {
        let two = br#"[{"payload":{"n":1.50}},{"payload":"x"}]"#;
        let payloads: Vec<String> = payloads(two, 2).unwrap().iter().map(|payload| payload.get().to_owned()).collect();
        assert_eq!(payloads, [r#"{"n":1.50}"#, r#""x""#]);
        for other in [&b"[]"[..], b"[1,2]", b"{}", b"", br#"[{"payload":1}]"#] {
            assert!(super::payloads(other, 2).is_none());
        }
    }
}
