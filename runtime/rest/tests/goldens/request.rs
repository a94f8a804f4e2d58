//! The requests of `requests.json`, as the goldens of this crate and the comparison with the Java worker send them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Deserialize)]
pub(crate) struct GoldenRequest {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Option<String>>,
    body: Option<Value>,
    raw: Option<String>,
    /// Why the body of the answer is meant to differ from Connect's.
    pub(crate) body_differs: Option<String>,
}

impl GoldenRequest {
    /// The body to send.
    pub(crate) fn body(&self) -> Option<String> {
        self.body.as_ref().map(Value::to_string).or_else(|| self.raw.clone())
    }

    /// The headers to send. A header without a value in the table is not sent.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let mut headers = BTreeMap::from([("accept".to_owned(), Some("application/json, */*".to_owned()))]);
        if self.body().is_some() {
            headers.insert("content-type".to_owned(), Some("application/json".to_owned()));
        }
        headers.extend(self.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())));
        headers.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// An error message without the position at which Java's parser stopped, which is not compared.
pub(crate) fn without_position(message: &str) -> String {
    let position = message.find("\n at [Source").unwrap_or(message.len());
    let chain = message.find(" (through reference chain").unwrap_or(message.len()).max(position);
    format!("{}{}", &message[..position], &message[chain..])
}
