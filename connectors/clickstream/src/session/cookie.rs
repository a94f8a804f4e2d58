//! The texts of the session cookie. A new session gets it in the answer to its first request: see `http/authenticator.rs`.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// The options of the session cookie, which is always HttpOnly and SameSite=Lax, for all paths of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieOptions {
    /// The name.
    pub name: String,
    /// Whether browsers may send it over HTTPS only.
    pub secure: bool,
}

impl CookieOptions {
    /// The value of a `Set-Cookie` header that stores a token for some seconds; 0 removes it.
    pub fn set(&self, token: &str, max_age_seconds: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_seconds}{secure}", self.name)
    }

    /// The value of a `Set-Cookie` header that removes it.
    pub fn remove(&self) -> String {
        self.set("", 0)
    }
}

/// The value of the first cookie of a name in a request.
pub fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_cookie_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; session=x.y; b=2".parse().unwrap());
        headers.append(COOKIE, "late=z".parse().unwrap());
        assert_eq!(cookie_value(&headers, "session"), Some("x.y"));
        assert_eq!(cookie_value(&headers, "late"), Some("z"));
        assert_eq!(cookie_value(&headers, "ession"), None);
    }

    #[test]
    fn scripts_cannot_read_it() {
        let options = CookieOptions { name: "s".to_owned(), secure: true };
        assert_eq!(options.set("t", 60), "s=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
    }
}
