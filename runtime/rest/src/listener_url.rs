use std::fmt;
use std::str::FromStr;

use tributary_api::{Error, Result};

/// An address that REST listens on: `http://host:port` or `https://host:port`. Without a host, all addresses; port 0 is any
/// free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerUrl {
    /// A name or address; empty for all of them.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it speaks HTTPS.
    pub https: bool,
}

impl ListenerUrl {
    /// Reads a comma-separated list like that of `listeners`.
    ///
    /// # Errors
    /// `Config`, naming the part that is no listener.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect()
    }

    /// The address to bind.
    pub(crate) fn address(&self) -> (&str, u16) {
        (if self.host.is_empty() { "0.0.0.0" } else { &self.host }, self.port)
    }
}

impl FromStr for ListenerUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            |why: &str| Error::config(format!("listener {text} {why}: write http://host:port or https://host:port"));
        let (scheme, address) = text.split_once("://").ok_or_else(|| wrong("has no protocol"))?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err(wrong("is neither http nor https"));
        }
        let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong("has no port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.trim_end_matches('/').parse().map_err(|_| wrong("has no port from 0 to 65535"))?;
        Ok(Self { host, port, https })
    }
}

impl fmt::Display for ListenerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn listeners_are_read_as_in_connect() {
        let read = |text: &str| ListenerUrl::parse_list(text).unwrap();
        assert_eq!(read("http://:8083"), [ListenerUrl { host: String::new(), port: 8083, https: false }]);
        assert_eq!(read("HTTP://a.b:1, http://[::1]:0").len(), 2);
        assert_eq!(read("http://[::1]:0")[0].to_string(), "http://[::1]:0");
        assert_eq!(read(""), []);
        assert_eq!(read("HTTPS://a.b:1")[0].to_string(), "https://a.b:1");
        for wrong in ["8083", "ftp://a:1", "http://a", "http://a:x", "http://a:65536"] {
            let message = ListenerUrl::parse_list(wrong).unwrap_err().to_string();
            assert!(message.contains(wrong), "{message}");
        }
    }
}
