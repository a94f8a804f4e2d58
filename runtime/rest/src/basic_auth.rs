//! Kafka Connect's REST extension for basic authentication.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use tributary_api::{Config, Error, Result, read_small_file};

use crate::jaas;

const EXTENSIONS: &str = "rest.extension.classes";
const CLASS: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
const MODULE: &str = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
/// The entry of the login configuration.
const ENTRY: &str = "KafkaConnect";
const LOGIN_CONFIG: &str = "rest.basic.auth.login.config";
const MAX_BYTES: u64 = 1 << 20;

/// The names and passwords of the API's users.
#[derive(Clone)]
pub(crate) struct BasicAuth(Arc<HashMap<String, String>>);

impl BasicAuth {
    /// `rest.extension.classes`; nothing when it names no extension.
    ///
    /// # Errors
    /// `Config` when it names an unsupported one, or its login configuration cannot be used.
    pub(crate) fn of(worker: &Config) -> Result<Option<Self>> {
        let mut classes = worker.list(EXTENSIONS)?.iter().filter(|class| !class.is_empty()).peekable();
        if classes.peek().is_none() {
            return Ok(None);
        }
        if let Some(other) = classes.find(|class| !is_known(class)) {
            return Err(Error::config_at(EXTENSIONS, format!("{EXTENSIONS} names {}", unknown(other))));
        }
        let path = worker.optional_string(LOGIN_CONFIG)?.filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| {
            Error::config_at(EXTENSIONS, format!(
                "{EXTENSIONS} requires passwords: set the JAAS file with the entry {ENTRY} by {LOGIN_CONFIG}, or by \
                 -Djava.security.auth.login.config=... in the environment variable KAFKA_OPTS"
            ))
        })?;
        let file = credentials_file(path)?;
        let credentials = credentials(&file)?;
        if credentials.is_empty() {
            // Java then lets everybody in.
            let message = format!("{} has no name and password: write lines name=password", file.display());
            return Err(Error::config_at(LOGIN_CONFIG, message));
        }
        Ok(Some(Self(Arc::new(credentials))))
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some((name, password)) = headers.get(AUTHORIZATION).and_then(|value| given(value.as_bytes())) else {
            return false;
        };
        self.0.get(&name).is_some_and(|right| right.as_bytes().ct_eq(password.as_bytes()).into())
    }
}

/// Whether it is the extension that there is, under its full or simple name.
pub(crate) fn is_known(class: &str) -> bool {
    [CLASS, CLASS.rsplit('.').next().unwrap_or(CLASS)].contains(&class)
}

/// What to say of any other.
pub(crate) fn unknown(class: &str) -> String {
    format!(
        "{class}, which is not here: the one extension there is is {CLASS}; without the protection of an extension REST does \
         not start"
    )
}

/// Answers 401 without a valid name and password, except for requests between workers, which are signed.
pub(crate) async fn check(State(auth): State<BasicAuth>, request: Request, next: Next) -> Response {
    if is_internal(request.method(), request.uri().path()) || auth.admits(request.headers()) {
        return next.run(request).await;
    }
    // As in the Java worker: plain text with the content type that the client accepts.
    let accepts = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let options = request.method() == Method::OPTIONS && !accepts.starts_with("application/json");
    let kind = if options { "text/plain" } else { "application/json" };
    (StatusCode::UNAUTHORIZED, [(CONTENT_TYPE, kind)], "User cannot access the resource.").into_response()
}

fn is_internal(method: &Method, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let Some((connector, what)) = path.strip_prefix("/connectors/").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let signed = (method == Method::POST && what == "tasks") || (method == Method::PUT && what == "fence");
    signed && !connector.is_empty()
}

/// Name and password of `Basic base64(name:password)`.
fn given(header: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(encoded).ok().filter(|_| scheme.eq_ignore_ascii_case("Basic"))?;
    let (name, password) =
        String::from_utf8(decoded).ok()?.split_once(':').map(|(n, p)| (n.to_owned(), p.to_owned()))?;
    (!name.is_empty()).then_some((name, password))
}

/// The file of names and passwords that the login configuration names.
fn credentials_file(path: &str) -> Result<PathBuf> {
    // In Java the path may be a URL, and a second `=` makes it the only configuration file.
    let path = path.strip_prefix('=').unwrap_or(path);
    let path = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path);
    let text = read(Path::new(path))?;
    let text = String::from_utf8(text).map_err(|_| wrong(format!("{path} is no text")))?;
    let modules = jaas::entry(&text, ENTRY).map_err(|why| wrong(format!("{path} cannot be read: {why}")))?;
    let modules = modules.ok_or_else(|| wrong(format!("{path} has no entry {ENTRY}")))?;
    let [module] = &modules[..] else {
        return Err(wrong(format!("entry {ENTRY} of {path} has {} modules: write one", modules.len())));
    };
    if module.class != MODULE {
        return Err(wrong(format!(
            "entry {ENTRY} of {path} has the module {}, which is not here: the one there is is {MODULE}",
            module.class
        )));
    }
    if !["required", "requisite", "sufficient", "optional"].contains(&module.flag.to_ascii_lowercase().as_str()) {
        return Err(wrong(format!("entry {ENTRY} of {path}: write required after the module")));
    }
    let file = module.options.get("file").filter(|file| !file.is_empty());
    file.map(PathBuf::from).ok_or_else(|| wrong(format!("entry {ENTRY} of {path} names no file: add file=\"...\"")))
}

fn credentials(file: &Path) -> Result<HashMap<String, String>> {
    // The parser's error is not shown, because it may quote a line.
    java_properties::read(&*read(file)?)
        .map_err(|_| wrong(format!("{} is no properties file: write lines name=password", file.display())))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    read_small_file(file, MAX_BYTES).map_err(|error| wrong(format!("cannot read {}", file.display())).cause(&error))
}

fn wrong(message: String) -> Error {
    Error::config_at(LOGIN_CONFIG, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::RestOptions;

    fn from(settings: &[(&str, &str)]) -> Result<Option<BasicAuth>> {
        let props = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        BasicAuth::of(&RestOptions::definition().parse(&props)?)
    }

    fn with_login(login: &str, passwords: &str) -> Result<Option<BasicAuth>> {
        let folder = tempfile::tempdir().unwrap();
        let (config, file) = (folder.path().join("jaas.conf"), folder.path().join("pw.properties"));
        std::fs::write(&file, passwords).unwrap();
        std::fs::write(&config, login.replace("MODULE", MODULE).replace("FILE", &file.to_string_lossy())).unwrap();
        from(&[(EXTENSIONS, CLASS), (LOGIN_CONFIG, &format!("file:{}", config.display()))])
    }

    const LOGIN: &str = "KafkaConnect { MODULE required file=\"FILE\"; };";

    #[test]
    fn only_the_right_password_of_a_known_name_is_admitted() {
        let auth = with_login(LOGIN, "admin=geheim\nu\\:x=p w\n").unwrap().unwrap();
        let admits = |header: &str| {
            auth.admits(&HeaderMap::from_iter([(AUTHORIZATION, axum::http::HeaderValue::from_str(header).unwrap())]))
        };
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        assert!(admits(&basic("admin:geheim")) && admits(&basic("admin:geheim").replacen('B', "b", 1)));
        for wrong in ["admin:wrong", "admin:", "admin", ":geheim", "nobody:geheim", "u:x:p w", "admin:geheim "] {
            assert!(!admits(&basic(wrong)), "{wrong}");
        }
        for wrong in ["Bearer YWRtaW46Z2VoZWlt", "Basic  YWRtaW46Z2VoZWlt", "Basic %%%", "Basic", ""] {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!auth.admits(&HeaderMap::new()));
    }

    #[test]
    fn what_cannot_protect_is_refused_and_named() {
        assert!(from(&[]).unwrap().is_none() && from(&[(EXTENSIONS, " , ")]).unwrap().is_none());
        let refused = |settings: &[(&str, &str)]| from(settings).err().unwrap().to_string();
        assert!(refused(&[(EXTENSIONS, &format!("{CLASS},com.example.Audit"))]).contains("com.example.Audit"));
        assert!(refused(&[(EXTENSIONS, CLASS)]).contains("KAFKA_OPTS"));
        assert!(refused(&[(EXTENSIONS, CLASS), (LOGIN_CONFIG, "/nowhere/jaas.conf")]).contains("/nowhere/jaas.conf"));
        let refused = |login: &str, passwords: &str| with_login(login, passwords).err().unwrap().to_string();
        assert!(refused(LOGIN, "").contains("has no name and password"));
        assert!(refused(&LOGIN.replace("KafkaConnect", "Other"), "a=b").contains("has no entry KafkaConnect"));
        assert!(refused(&LOGIN.replace("MODULE", "com.example.Ldap"), "a=b").contains("com.example.Ldap"));
        assert!(refused(&LOGIN.replace("file=\"FILE\"", ""), "a=b").contains("names no file"));
        assert!(refused(&LOGIN.replace("; }", "; MODULE required; }"), "a=b").contains("2 modules"));
        assert!(refused(LOGIN, "a=\\uXYZ1-secret").contains("is no properties file"));
    }

    #[test]
    fn what_workers_ask_of_each_other_is_signed_instead() {
        for (method, path) in [(Method::POST, "/connectors/x/tasks"), (Method::PUT, "/connectors/a%20b/fence/")] {
            assert!(is_internal(&method, path), "{path}");
        }
        for (method, path) in [
            (Method::GET, "/connectors/x/tasks"),
            (Method::POST, "/connectors/x/tasks/0/restart"),
            (Method::POST, "/connectors/x/y/tasks"),
            (Method::POST, "/connectors//tasks"),
            (Method::PUT, "/connectors/x/config"),
        ] {
            assert!(!is_internal(&method, path), "{path}");
        }
    }
}
