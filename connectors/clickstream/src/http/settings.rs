use std::sync::Arc;

use tributary_api::{Config, ConfigIssue, ConfigKey, ConfigType, Importance, Result, Validator, Width};

use super::device::DeviceCookie;
use super::transport::{self, TransportSettings};
use super::{Cors, SessionAuthenticator, session_keys};
use crate::session::{CookieOptions, DEFAULT_COOKIE, DEFAULT_DEVICE_COOKIE};

pub(super) const LISTEN: &str = "http.listen";
const ORIGINS: &str = "cors.allowed.origins";
const COOKIE: &str = "session.cookie.name";
const DEVICE_COOKIE: &str = "session.device.cookie.name";
const DEVICE_DAYS: &str = "session.device.cookie.max.age.days";
const SECURE: &str = "session.cookie.secure";
const QUERY: &str = "session.token.in.query";
const GROUP: &str = "Listener";

/// The settings of the listener and of sessions that both connectors have.
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    pub(crate) listen: String,
    pub(crate) transport: TransportSettings,
    pub(crate) cors: Arc<Cors>,
    pub(crate) authenticator: SessionAuthenticator,
}

impl HttpSettings {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let signer = session_keys::signer(config)?;
        let transport = TransportSettings::new(config)?;
        let given = config.originals().contains_key(SECURE);
        let secure = if given { config.boolean(SECURE)? } else { transport.tls.is_some() };
        let cookie = CookieOptions { name: config.string(COOKIE)?.to_owned(), secure };
        Ok(Self {
            listen: config.string(LISTEN)?.to_owned(),
            transport,
            cors: Arc::new(Cors::new(config.list(ORIGINS)?)),
            authenticator: SessionAuthenticator {
                signer,
                device: device_cookie(config, secure)?,
                cookie,
                query_token: config.boolean(QUERY)?,
            },
        })
    }
}

fn device_cookie(config: &Config, secure: bool) -> Result<Option<DeviceCookie>> {
    let name = config.string(DEVICE_COOKIE)?.to_owned();
    let max_age_seconds = config.int::<i64>(DEVICE_DAYS)? * 86_400;
    let is_wanted = !name.is_empty();
    Ok(is_wanted.then_some(DeviceCookie { cookie: CookieOptions { name, secure }, max_age_seconds }))
}

fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Checks beyond types; each issue has its property. `paths` are the properties that hold paths.
pub(crate) fn check(config: &Config, paths: &[&str]) -> Result<Vec<ConfigIssue>> {
    let mut issues = Vec::new();
    let listen = config.string(LISTEN)?;
    let port = listen.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(_))) {
        issues.push(ConfigIssue::new(LISTEN, format!("{listen} is not an address: write host:port")));
    }
    issues.extend(
        config.list(ORIGINS)?.iter().filter_map(|origin| Some(ConfigIssue::new(ORIGINS, Cors::fault(origin)?))),
    );
    issues.extend(session_keys::check(config)?);
    issues.extend(transport::check(config)?);
    let (cookie, device) = (config.string(COOKIE)?, config.string(DEVICE_COOKIE)?);
    if !is_cookie_name(cookie) {
        issues.push(ConfigIssue::new(COOKIE, "use letters, digits, _, - and . only"));
    }
    if !device.is_empty() && (!is_cookie_name(device) || device == cookie) {
        let message =
            "use letters, digits, _, - and . only, and another name than session.cookie.name; or leave it empty";
        issues.push(ConfigIssue::new(DEVICE_COOKIE, message));
    }
    for (index, name) in paths.iter().enumerate() {
        let path = config.string(name)?;
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            issues.push(ConfigIssue::new(*name, format!("{path} is not a path: begin with a slash")));
        }
        if paths[..index].iter().any(|other| config.string(other).is_ok_and(|other| other == path)) {
            issues.push(ConfigIssue::new(*name, format!("{path} is served already: give each its own path")));
        }
    }
    Ok(issues)
}

/// The properties that both connectors have.
pub(crate) fn config_keys() -> Vec<ConfigKey> {
    let [listen, origins, cookies @ ..] = own_keys();
    let keys = std::iter::once(listen).chain(transport::config_keys()).chain([origins]);
    keys.chain(session_keys::config_keys()).chain(cookies).map(|key| key.group(GROUP)).collect()
}

fn own_keys() -> [ConfigKey; 7] {
    [
        ConfigKey::new(LISTEN, ConfigType::String)
            .default("127.0.0.1:8081")
            .validator(Validator::NonEmpty)
            .importance(Importance::High)
            .width(Width::Medium)
            .display_name("Listen on")
            .doc(
                "The address and port of the HTTP listener. Connectors of one worker that name the same one share it.",
            ),
        ConfigKey::new(ORIGINS, ConfigType::List)
            .default("")
            .importance(Importance::High)
            .width(Width::Long)
            .display_name("Allowed origins")
            .doc(
                "The sites whose pages may send events and subscribe, with cookies, such as https://shop.example.com. \
                 Requests of pages of other sites are refused; the listener's own origin is always allowed.",
            ),
        ConfigKey::new(COOKIE, ConfigType::String)
            .default(DEFAULT_COOKIE)
            .importance(Importance::Medium)
            .width(Width::Medium)
            .display_name("Cookie name")
            .doc("The name of the cookie that holds the session token."),
        ConfigKey::new(DEVICE_COOKIE, ConfigType::String)
            .default(DEFAULT_DEVICE_COOKIE)
            .importance(Importance::Medium)
            .width(Width::Medium)
            .display_name("Device cookie name")
            .doc(
                "The name of the cookie that holds the id of the visitor's device, by which a visitor who returns is \
                 known without logging in. The id is made by the collector and signed; scripts cannot read it. A \
                 browser that sends DNT: 1 or Sec-GPC: 1 gets none. Empty: no browser gets one, and an anonymous \
                 visitor is known for one session.",
            ),
        ConfigKey::new(DEVICE_DAYS, ConfigType::Int)
            .default(400)
            .validator(Validator::Between(1, 400))
            .importance(Importance::Low)
            .width(Width::Short)
            .display_name("Device cookie age")
            .doc("For how many days a browser keeps the device cookie after the last time it was renewed."),
        ConfigKey::new(SECURE, ConfigType::Boolean)
            .importance(Importance::Medium)
            .width(Width::Short)
            .display_name("Secure cookie")
            .doc(
                "Whether browsers send the cookies over HTTPS only. The default is true if the listener itself has a \
                 certificate. Set it to true when a proxy terminates HTTPS.",
            ),
        ConfigKey::new(QUERY, ConfigType::Boolean)
            .default(true)
            .importance(Importance::Medium)
            .width(Width::Short)
            .display_name("Token in the query")
            .doc(
                "Whether the token may be sent as the query parameter token, for pages that can send neither a cookie \
                 nor a header. URLs are kept in logs and browser histories: set it to false if no page needs it.",
            ),
    ]
}
