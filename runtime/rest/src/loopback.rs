//! Restricts listeners on loopback. Their address protects them from other machines, but not from pages in a browser on
//! this one: a page may send requests anywhere, and its own host name may resolve to this machine (DNS rebinding).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tributary_api::{Config, Result};

use crate::cors::Origins;
use crate::error::ApiError;

const ALLOWED_HOSTS: &str = "rest.allowed.hosts";

/// The host names of this machine, and the origins whose pages may change something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loopback {
    hosts: Arc<BTreeSet<String>>,
    any_host: bool,
    origins: Origins,
}

impl Loopback {
    /// `rest.allowed.hosts`, a list of names or `*` for any, and the name that the worker is known by.
    pub(crate) fn of(worker: &Config, origins: Origins) -> Result<Self> {
        let (allowed, own) = (worker.list(ALLOWED_HOSTS)?, worker.optional_string("rest.advertised.host.name")?);
        let names = allowed.iter().map(String::as_str).chain(own);
        let hosts: BTreeSet<String> = names.map(plain).filter(|host| !host.is_empty()).collect();
        let any_host = allowed.iter().any(|host| host == "*");
        Ok(Self { hosts: Arc::new(hosts), any_host, origins })
    }

    /// Adds a name of this machine.
    pub(crate) fn also(mut self, host: &str) -> Self {
        Arc::make_mut(&mut self.hosts).insert(plain(host));
        self
    }

    fn refusal(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let text = |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or("?"));
        // In HTTP/2 it is in the URI; a client that sends no host is no browser.
        let authority = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
        if let Some(authority) = authority.filter(|authority| !self.serves(authority)) {
            return Some(format!("Host {authority:?} is not served on this address: add it to {ALLOWED_HOSTS}"));
        }
        let origin = text(ORIGIN).filter(|_| ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method))?;
        let own = origin.split_once("://").is_some_and(|(_, page)| Some(page) == authority);
        (!own && !self.origins.allow(origin)).then(|| {
            format!(
                "a page of {origin:?} is not allowed to change anything: add its origin to \
                     access.control.allow.origin"
            )
        })
    }

    fn serves(&self, authority: &str) -> bool {
        let host = host(authority);
        let here = host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        here || self.any_host || self.hosts.contains(&host)
    }
}

/// Answers 403 to requests that only a foreign page would send.
pub(crate) async fn check(State(loopback): State<Loopback>, request: Request, next: Next) -> Response {
    match loopback.refusal(request.method(), request.uri(), request.headers()) {
        Some(message) => ApiError::new(StatusCode::FORBIDDEN, message).into_response(),
        None => next.run(request).await,
    }
}

/// `host` of `host:port`, without the brackets of an IPv6 address.
fn host(authority: &str) -> String {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    plain(host)
}

fn plain(host: &str) -> String {
    host.trim().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::RestOptions;

    fn loopback(settings: &[(&str, &str)]) -> Loopback {
        let props: tributary_api::Props =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let worker = RestOptions::definition().parse(&props).unwrap();
        Loopback::of(&worker, Origins::of(&worker).unwrap()).unwrap()
    }

    fn refusal(loopback: &Loopback, method: &str, headers: &[(&str, &str)]) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()));
        loopback.refusal(&method.parse().unwrap(), &"/connectors".parse().unwrap(), &headers.collect())
    }

    #[test]
    fn only_this_machine_is_served() {
        let own = loopback(&[("rest.advertised.host.name", "Worker-1")]).also("laptop");
        for host in [
            "localhost:8083",
            "LOCALHOST",
            "127.0.0.1:8083",
            "127.9.9.9",
            "[::1]:8083",
            "a.localhost:1",
            "laptop:8083",
            "worker-1.",
            "localhost.",
        ] {
            assert_eq!(refusal(&own, "GET", &[("host", host)]), None, "{host}");
        }
        for host in
            ["evil.example:8083", "localhost.evil.example", "10.0.0.1:8083", "[::2]:8083", "127.0.0.1.evil.example", ""]
        {
            let message = refusal(&own, "GET", &[("host", host)]).unwrap();
            assert!(message.contains("rest.allowed.hosts"), "{message}");
        }
        assert_eq!(refusal(&own, "GET", &[]), None);
        let wide = loopback(&[("rest.allowed.hosts", "proxy.example, other")]);
        assert_eq!(refusal(&wide, "GET", &[("host", "PROXY.example")]), None);
        assert!(refusal(&wide, "GET", &[("host", "evil.example")]).is_some());
        assert_eq!(refusal(&loopback(&[("rest.allowed.hosts", "*")]), "GET", &[("host", "evil.example")]), None);
    }

    #[test]
    fn only_pages_of_this_origin_or_of_an_allowed_one_change_something() {
        let ask = |loopback: &Loopback, method: &str, origin: &str| {
            refusal(loopback, method, &[("host", "localhost:8083"), ("origin", origin)])
        };
        let own = loopback(&[]);
        for origin in ["http://evil.example", "null", "http://localhost:3000", "http://localhost", "localhost:8083"] {
            let message = ask(&own, "POST", origin).unwrap();
            assert!(message.contains("access.control.allow.origin"), "{message}");
            assert_eq!(ask(&own, "GET", origin), None, "{origin}");
        }
        assert_eq!(ask(&own, "PUT", "http://localhost:8083"), None);
        assert_eq!(ask(&own, "DELETE", "https://localhost:8083"), None);
        let shared = loopback(&[("access.control.allow.origin", "http://shop, http://b")]);
        assert_eq!(ask(&shared, "PATCH", "http://shop"), None);
        assert!(ask(&shared, "PATCH", "http://evil.example").is_some());
        assert_eq!(ask(&loopback(&[("access.control.allow.origin", "*")]), "POST", "http://evil.example"), None);
    }
}
