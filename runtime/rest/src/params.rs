use std::convert::Infallible;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::header::HOST;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tributary_control::TaskId;

use crate::error::ApiError;
use crate::server::Secure;

/// The variable segments of a path, percent-decoded.
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(ApiError))]
pub(crate) struct Segments<T>(pub(crate) T);

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

/// The query's parameters; a parameter that cannot be decoded counts as not set.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Any text except `true` is false, as in Java.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.first(name).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(query(parts).unwrap_or_default()))
    }
}

/// The base URL of the client's request, such as `http://127.0.0.1:8083`; empty if it sends no host.
pub(crate) struct Base(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let scheme = if parts.extensions.get::<Secure>().is_some() { "https" } else { "http" };
        // HTTP/2 has no `Host` header.
        let named = parts.uri.authority().map(|authority| authority.as_str());
        let host = named.or_else(|| parts.headers.get(HOST).and_then(|host| host.to_str().ok()));
        Ok(Self(host.map(|host| format!("{scheme}://{host}")).unwrap_or_default()))
    }
}

fn query<T: DeserializeOwned>(parts: &Parts) -> Option<T> {
    Query::try_from_uri(&parts.uri).ok().map(|Query(value)| value)
}

/// The task that a path names. `missing` words the answer for a number that no task can have.
pub(crate) fn task_id(connector: &str, task: &str, missing: &str) -> Result<TaskId, ApiError> {
    let number: i32 = task.parse().map_err(|_| ApiError::of_status(axum::http::StatusCode::NOT_FOUND))?;
    let number = u32::try_from(number).map_err(|_| ApiError::not_found(format!("{missing} {connector}-{number}")))?;
    Ok(TaskId::new(connector, number))
}
