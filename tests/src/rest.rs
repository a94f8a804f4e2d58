use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::Value;

use crate::wait::wait_for;

/// Longer than the 90 s after which Connect itself gives up on a request.
const TIMEOUT: Duration = Duration::from_secs(100);

/// A client of a worker's REST API that returns every response, errors included.
#[derive(Clone, Debug)]
pub struct RestClient {
    base: String,
    client: reqwest::Client,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// By lower-case name; of several values of one name the last one.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `null` when it is empty or no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The JSON body of a success; anything but a status 2xx is an error that shows the body.
    pub fn success(&self) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "answered {}: {}", self.status, self.text);
        Ok(self.json())
    }
}

impl RestClient {
    /// A client of the worker at a URL like `http://127.0.0.1:8083`.
    pub fn new(base: impl Into<String>) -> Self {
        Self { base: base.into().trim_end_matches('/').to_owned(), client: reqwest::Client::new() }
    }

    /// The worker's URL, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET` of a path that starts with a slash.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    /// `PATCH` of JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::PATCH, path, Some(body.to_string())).await
    }

    /// Any method, with any text as its JSON body (broken JSON included).
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base)).timeout(TIMEOUT);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.with_context(|| format!("{method} {}{path}", self.base))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Ok(Answer { status, headers, text: response.text().await? })
    }

    /// Creates or changes a connector (`PUT /connectors/NAME/config`) and returns the answer's body.
    pub async fn put_connector(&self, name: &str, config: &Value) -> Result<Value> {
        self.put(&format!("/connectors/{name}/config"), config).await?.success()
    }

    /// Waits until the connector and `tasks` tasks of it are RUNNING. A failed task ends the wait with its trace.
    pub async fn wait_running(&self, name: &str, tasks: usize, timeout: Duration) -> Result<()> {
        let what = format!("{name} with {tasks} running tasks");
        let failure = wait_for(timeout, &what, || async {
            let status = self.get(&format!("/connectors/{name}/status")).await.ok()?.json();
            let listed = status["tasks"].as_array()?;
            let all = listed.iter().chain([&status["connector"]]);
            if let Some(failed) = all.clone().find(|one| one["state"] == "FAILED") {
                return Some(Some(failed.to_string()));
            }
            (listed.len() == tasks && all.clone().all(|one| one["state"] == "RUNNING")).then_some(None)
        });
        match failure.await? {
            Some(failed) => anyhow::bail!("{name} failed: {failed}"),
            None => Ok(()),
        }
    }
}
