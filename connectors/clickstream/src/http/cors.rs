use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;

use super::{empty, with_header};

const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The origins whose pages may send requests, with cookies.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Vec<String>,
}

/// The classification of a request's origin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// No origin, or the listener's own: no headers are needed.
    Own,
    /// A site of the list.
    Allowed(String),
    /// A foreign page: the request is refused. Browsers send cookies with requests between ports and subdomains of one
    /// site, and with WebSockets from any, so hiding the response would not be enough.
    Foreign,
}

impl Cors {
    /// An allow-list of origins such as `https://shop.example.com`.
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { origins: origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect() }
    }

    /// The error in an origin of the list, if any.
    pub(crate) fn fault(origin: &str) -> Option<String> {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        match host.map(|host| host.trim_end_matches('/')) {
            Some(host) if !host.is_empty() && !host.contains(['/', '*', '?', '#', ' ']) => None,
            _ => Some(format!("{origin} is not an origin: write scheme and host, such as https://shop.example.com")),
        }
    }

    /// Classifies the origin of a request to a listener of this scheme. A proxy that terminates HTTPS sets
    /// `X-Forwarded-Proto`, which a page cannot set without a preflight.
    pub(crate) fn origin(&self, scheme: &str, uri: &Uri, headers: &HeaderMap) -> Origin {
        let Some(value) = headers.get(ORIGIN) else { return Origin::Own };
        let Ok(origin) = value.to_str() else { return Origin::Foreign };
        let lower = origin.to_ascii_lowercase();
        if self.origins.contains(&lower) {
            return Origin::Allowed(origin.to_owned());
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(HOST.as_str()).or_else(|| Some(uri.authority()?.as_str())).unwrap_or_default();
        let scheme = text(FORWARDED_PROTO).and_then(|list| list.split(',').next()).unwrap_or(scheme);
        let is_own = |own: &str, of: &str| of.trim().eq_ignore_ascii_case(own);
        let own =
            lower.split_once("://").is_some_and(|(protocol, name)| is_own(protocol, scheme) && is_own(name, host));
        if own { Origin::Own } else { Origin::Foreign }
    }

    /// The answer to a preflight, if the request is one.
    pub(crate) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
        if *method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let response = empty(StatusCode::NO_CONTENT, Body::empty());
        let response = with_header(response, ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
        let allowed = "authorization, content-type, content-encoding, last-event-id, x-api-key, x-write-key";
        let response = with_header(response, ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        Some(with_header(response, ACCESS_CONTROL_MAX_AGE, "3600"))
    }

    /// The same response, readable for a page of the origin.
    pub(crate) fn readable(response: Response, origin: &Origin) -> Response {
        let response = with_header(response, VARY, "Origin");
        let Origin::Allowed(origin) = origin else { return response };
        let response = with_header(response, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        with_header(response, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        headers.insert(HOST, "127.0.0.1:8081".parse().unwrap());
        headers
    }

    #[test]
    fn an_origin_is_own_listed_or_foreign() {
        let cors = Cors::new(&["https://Shop.example.com/".to_owned()]);
        let origin = |headers: &HeaderMap| cors.origin("http", &Uri::from_static("/collect"), headers);
        assert_eq!(origin(&HeaderMap::new()), Origin::Own);
        assert_eq!(origin(&headers("http://127.0.0.1:8081")), Origin::Own);
        let listed = "https://shop.example.com".to_owned();
        assert_eq!(origin(&headers(&listed)), Origin::Allowed(listed));
        let other_scheme = "https://127.0.0.1:8081";
        for foreign in ["http://127.0.0.1:8082", other_scheme, "https://shop.example.com.evil.com", "null"] {
            assert_eq!(origin(&headers(foreign)), Origin::Foreign);
        }
    }

    #[test]
    fn a_proxy_marks_pages_as_secure_and_http2_has_no_host_header() {
        let cors = Cors::new(&[]);
        let uri = Uri::from_static("http://127.0.0.1:8081/collect");
        let mut behind_proxy = headers("https://127.0.0.1:8081");
        behind_proxy.insert(FORWARDED_PROTO, "https".parse().unwrap());
        assert_eq!(cors.origin("http", &uri, &behind_proxy), Origin::Own);
        let mut http2 = headers("https://127.0.0.1:8081");
        http2.remove(HOST);
        assert_eq!(cors.origin("https", &uri, &http2), Origin::Own);
        assert_eq!(cors.origin("http", &uri, &http2), Origin::Foreign);
    }

    #[test]
    fn a_list_holds_origins_only() {
        assert_eq!(Cors::fault("http://127.0.0.1:8080"), None);
        for wrong in ["*", "shop.example.com", "https://", "https://a/b", "https://*.example.com"] {
            assert!(Cors::fault(wrong).is_some(), "{wrong}");
        }
    }
}
