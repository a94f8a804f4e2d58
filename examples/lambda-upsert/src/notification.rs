use anyhow::{Context, Result, bail};
use serde_json::Value;

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// The objects listed in an SQS message's body: S3's own
/// [notification](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html), as it is
/// or in the envelope that SNS puts around it where raw delivery is off. None, if it is the test that S3 sends when
/// notifications are switched on, or is about something else than new objects.
pub(crate) fn objects(body: &str) -> Result<Vec<Object>> {
    let mut message: Value = serde_json::from_str(body).context("read a notification")?;
    if let ("Notification", Some(inner)) = (message["Type"].as_str().unwrap_or_default(), message["Message"].as_str()) {
        message = serde_json::from_str(inner).context("read the notification in an SNS message")?;
    }
    if message["Event"] == "s3:TestEvent" {
        return Ok(Vec::new());
    }
    let Some(records) = message["Records"].as_array() else { bail!("the message is no notification of S3") };
    records.iter().filter(|record| is_of_new_object(record)).map(object).collect()
}

fn is_of_new_object(record: &Value) -> bool {
    record["eventName"].as_str().is_some_and(|name| name.starts_with("ObjectCreated:"))
}

fn object(record: &Value) -> Result<Object> {
    let part = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let bucket = part("/s3/bucket/name").context("a notification of S3 names no bucket")?;
    let key = part("/s3/object/key").context("a notification of S3 names no object")?;
    Ok(Object { bucket: bucket.to_owned(), key: decoded(key)? })
}

/// Keys come encoded as in a form: `+` for a space, `%` before two hexadecimal digits.
fn decoded(key: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                rest = after.get(2..).unwrap_or_default();
                byte.with_context(|| format!("the object's key is not well encoded: {key}"))?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).with_context(|| format!("the object's key is no text: {key}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(name: &str, key: &str) -> Value {
        json!({"eventSource": "aws:s3", "eventName": name, "s3": {"bucket": {"name": "raw"}, "object": {"key": key}}})
    }

    #[test]
    fn objects_are_found_with_and_without_an_envelope() {
        let notification = json!({"Records": [
            record("ObjectCreated:Put", "topics/clicks/year%3D2026/a+b/clicks%2B0%2B0000000000.json"),
            record("ObjectRemoved:Delete", "topics/gone"),
            record("ObjectCreated:CompleteMultipartUpload", "%C3%A9"),
        ]});
        let expected = ["topics/clicks/year=2026/a b/clicks+0+0000000000.json", "é"];
        let expected = expected.map(|key| Object { bucket: "raw".into(), key: key.into() });
        assert_eq!(objects(&notification.to_string()).unwrap(), expected);
        let envelope = json!({"Type": "Notification", "TopicArn": "arn", "Message": notification.to_string()});
        assert_eq!(objects(&envelope.to_string()).unwrap(), expected);
    }

    #[test]
    fn the_test_message_contains_no_object() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"});
        assert_eq!(objects(&test.to_string()).unwrap(), []);
        let envelope = json!({"Type": "Notification", "Message": test.to_string()});
        assert_eq!(objects(&envelope.to_string()).unwrap(), []);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let encoded = json!({"Records": [record("ObjectCreated:Put", "%4")]}).to_string();
        for body in ["", "text", "{}", r#"{"Records":[{"eventName":"ObjectCreated:Put"}]}"#, &encoded] {
            assert!(objects(body).is_err(), "{body}");
        }
    }
}
