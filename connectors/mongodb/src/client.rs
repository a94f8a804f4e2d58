//! Creates the driver's client from the sink's settings, and maps its errors to the runtime's.

use std::path::Path;
use std::time::Duration;

use mongodb::Client;
use mongodb::error::{Error as DriverError, ErrorKind as Driver};
use mongodb::options::{
    ClientOptions, DriverInfo, ServerApi as DeclaredApi, ServerApiVersion, Tls, TlsOptions, WriteConcern,
};
use tributary_api::{Error, Result, read_small_file};

use crate::config::{Settings, Store};

const URI: &str = "connection.uri";
/// The server selection timeout, unless the URI sets one. The driver's default of 30 s is longer than a worker waits
/// for a stopping task.
const SERVER_SELECTION: Duration = Duration::from_secs(5);
/// The connect timeout, unless the URI sets one.
const CONNECT: Duration = Duration::from_secs(5);
/// The maximum size of a certificate file.
const MAX_STORE_BYTES: u64 = 16 << 20;

/// A client, and whether it may send a write twice (`retryWrites`). Sends nothing yet, but resolves the names of a
/// `mongodb+srv` URI.
///
/// # Errors
/// `Config` when URI or certificates cannot be used, `Retriable` when names cannot be looked up.
pub(crate) async fn connect(settings: &Settings, connector: &str) -> Result<(Client, bool)> {
    let uri = settings.uri.expose();
    let parsed = ClientOptions::parse(uri).await;
    let mut options = parsed.map_err(|error| match *error.kind {
        Driver::DnsResolve { .. } => {
            Error::retriable(hide(&error.to_string(), uri)).context("cannot look up the hosts")
        }
        _ => Error::config_at(URI, hide(&error.to_string(), uri)).context("connection.uri cannot be used"),
    })?;
    refuse_unacknowledged(options.write_concern.as_ref())?;
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
    options.connect_timeout.get_or_insert(CONNECT);
    options.app_name.get_or_insert_with(|| format!("tributary {connector}").chars().take(128).collect());
    let platform = settings.provider.clone();
    let version = Some(env!("CARGO_PKG_VERSION").to_owned());
    options.driver_info =
        Some(DriverInfo::builder().name("tributary|sink".to_owned()).version(version).platform(platform).build());
    if let Some(api) = &settings.server_api {
        let version: ServerApiVersion = match api.version.as_str() {
            "1" => ServerApiVersion::V1,
            other => {
                let message = format!("server.api.version is {other}: there is 1");
                return Err(Error::config_at("server.api.version", message));
            }
        };
        options.server_api = Some(
            DeclaredApi::builder()
                .version(version)
                .strict(api.strict)
                .deprecation_errors(api.deprecation_errors)
                .build(),
        );
    }
    add_certificates(&mut options, settings)?;
    let retry_writes = options.retry_writes != Some(false);
    let client = Client::with_options(options)
        .map_err(|error| Error::config_at(URI, hide(&error.to_string(), uri)).context("cannot make a client"))?;
    Ok((client, retry_writes))
}

/// With `w=0` the server does not answer, not even when it refuses a write.
fn refuse_unacknowledged(concern: Option<&WriteConcern>) -> Result<()> {
    match concern {
        Some(concern) if concern.w == Some(0.into()) && concern.journal != Some(true) => Err(Error::config_at(
            URI,
            "connection.uri requests unacknowledged writes (w=0), which can be lost without an error: remove w=0, or \
             use w=1",
        )),
        _ => Ok(()),
    }
}

fn add_certificates(options: &mut ClientOptions, settings: &Settings) -> Result<()> {
    if settings.trust_store.is_none() && settings.key_store.is_none() {
        return Ok(());
    }
    let mut tls = match options.tls.take() {
        Some(Tls::Enabled(tls)) => tls,
        _ => TlsOptions::default(),
    };
    if let Some(store) = &settings.trust_store {
        require_pem("connection.ssl.truststore", store, "keytool -exportcert -rfc -keystore STORE -alias NAME")?;
        tls.ca_file_path = Some(store.path.clone().into());
    }
    if let Some(store) = &settings.key_store {
        require_pem("connection.ssl.keystore", store, "openssl pkcs12 -in STORE -nodes")?;
        tls.cert_key_file_path = Some(store.path.clone().into());
    }
    options.tls = Some(Tls::Enabled(tls));
    Ok(())
}

/// Java's key store formats are not supported.
fn require_pem(name: &str, store: &Store, convert: &str) -> Result<()> {
    let path = &store.path;
    let content = read_small_file(Path::new(path), MAX_STORE_BYTES).map_err(|error| {
        Error::config_at(name, format!("{name}: cannot read {path}, correct the path")).cause(&error)
    })?;
    let text = String::from_utf8_lossy(&content);
    if !text.contains("-----BEGIN ") {
        let advice = format!("convert it, for example by `{convert}`, and name the file that it makes");
        let message = format!("{name}: {path} is no PEM file, the only format read here: {advice}");
        return Err(Error::config_at(name, message));
    }
    if store.password.is_some() {
        tracing::info!("a PEM file needs no password: that of {name} has no effect");
    }
    if text.contains("-----BEGIN ENCRYPTED") {
        let advice = "write the key without a password into a file that only the worker may read";
        return Err(Error::config_at(name, format!("{name}: the key in {path} has a password: {advice}")));
    }
    Ok(())
}

/// Removes the part of the URI before the host, which contains the password, from a text: a parser may quote it in its
/// error.
fn hide(text: &str, uri: &str) -> String {
    let Some((_, rest)) = uri.split_once("://") else { return text.replace(uri, "[hidden]") };
    let Some((user, _)) = rest.rsplit_once('@') else { return text.to_owned() };
    let password = user.split_once(':').map_or("", |(_, password)| password);
    let mut shown = text.to_owned();
    for secret in [uri, user, password] {
        if !secret.is_empty() {
            shown = shown.replace(secret, "[hidden]");
        }
    }
    shown
}

/// The error of a failed operation: `Retriable` when the server was not reached, has no primary or reports a retriable
/// error, `Config` when it refuses the credentials, otherwise `Fatal`.
pub(crate) fn failure(what: &str, error: &DriverError) -> Error {
    match error.kind.as_ref() {
        _ if is_retriable(error) => Error::retriable(what).cause(error),
        Driver::Authentication { .. } => refused(what, error),
        Driver::Command(command) if command.code == UNAUTHORIZED || command.code == AUTHENTICATION_FAILED => {
            refused(what, error)
        }
        _ => Error::fatal(what).cause(error),
    }
}

/// Whether the operation may succeed when it is repeated.
pub(crate) fn is_retriable(error: &DriverError) -> bool {
    if RETRIABLE_LABELS.iter().any(|label| error.contains_label(label)) {
        return true;
    }
    match error.kind.as_ref() {
        Driver::Io(_)
        | Driver::ConnectionPoolCleared { .. }
        | Driver::ServerSelection { .. }
        | Driver::DnsResolve { .. } => true,
        Driver::Command(command) => RETRIABLE_CODES.contains(&command.code),
        _ => false,
    }
}

const RETRIABLE_LABELS: [&str; 3] = ["RetryableWriteError", "TransientTransactionError", "RetryableError"];
/// From the server's list of error codes: no primary, a node that goes or comes, a network between nodes that is
/// broken, a lock or a deadline that was missed.
pub(crate) const RETRIABLE_CODES: [i32; 16] =
    [6, 7, 24, 50, 89, 91, 112, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436];
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;

fn refused(what: &str, error: &DriverError) -> Error {
    let advice = "the server refuses these credentials: check connection.uri, and the user's roles";
    Error::config_at(URI, format!("{what}: {advice}")).cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_credentials_is_shown() {
        let uri = "mongodb://user:p%40ss@host:1/?w=1";
        for quoted in [uri, "user:p%40ss", "p%40ss is odd"] {
            let shown = hide(&format!("wrong: {quoted}"), uri);
            assert!(!shown.contains("p%40ss"), "{shown}");
        }
        assert_eq!(hide("no host", "mongodb://host"), "no host");
    }
}
