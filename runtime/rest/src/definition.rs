use axum::http::{HeaderValue, Method};
use tributary_api::{ConfigDef, ConfigKey, ConfigType, Error, Validator};

use crate::basic_auth;
use crate::listener_url::ListenerUrl;
use crate::response_headers;

const REST: &str = "REST";
const HTTPS: &str = "HTTPS";

/// The worker's properties that REST reads.
pub(crate) fn rest_definition() -> ConfigDef {
    let rest = |name: &str, kind: ConfigType| ConfigKey::new(name, kind).group(REST);
    let own = [
        rest("listeners", ConfigType::List).default("http://:8083").validator(listeners()).doc(
            "Where REST listens: http://host:port or https://host:port, separated by commas. Without the property, \
             with the embedded broker: 127.0.0.1:8083, or a free port if that is in use.",
        ),
        rest("admin.listeners", ConfigType::List)
            .validator(listeners())
            .doc("Where /admin is served, instead of on the listeners; empty: nowhere."),
        rest("rest.advertised.host.name", ConfigType::String).doc(
            "Name under which other workers and clients reach this one; without: that of the listener or the machine.",
        ),
        rest("rest.advertised.port", ConfigType::Int)
            .validator(Validator::Between(0, 65_535))
            .doc("Port under which other workers and clients reach this one; without: that of the listener."),
        rest("rest.advertised.listener", ConfigType::String)
            .validator(each("http or https", |scheme| {
                ["http", "https"].contains(&scheme).then_some(()).ok_or_else(|| "write http or https".to_owned())
            }))
            .doc("Which of the listeners others use, http or https; without: one of http if there is one."),
        rest("rest.allowed.hosts", ConfigType::List).default("").doc(
            "Host names, besides localhost and this machine's own, that requests to a listener on loopback may use, \
             such as a proxy's; * for any.",
        ),
        rest("access.control.allow.origin", ConfigType::List)
            .default("")
            .validator(each("origins", |origin| {
                HeaderValue::from_str(origin).map(drop).map_err(|_| format!("no header can hold {origin}"))
            }))
            .doc("Origins of web pages that may send requests, separated by commas; * for any."),
        rest("access.control.allow.methods", ConfigType::List)
            .default("")
            .validator(each("methods of HTTP", |name| {
                Method::from_bytes(name.as_bytes()).map(drop).map_err(|_| format!("{name} is no HTTP method"))
            }))
            .doc("Methods that those pages may use; GET, POST and HEAD when empty."),
        rest("response.http.headers.config", ConfigType::String).default("").validator(rules()).doc(
            "Headers of every response: rules like set Name: value or add Name: value, separated by commas, in double \
             quotes where they hold one.",
        ),
        rest("rest.extension.classes", ConfigType::List).default("").validator(extensions()).doc(
            "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension requires user names and \
             passwords; there is no other.",
        ),
        rest("rest.basic.auth.login.config", ConfigType::String).doc(
            "JAAS file with the entry KafkaConnect, which contains the path of the password file. The default is the \
             file given by -Djava.security.auth.login.config in the environment variable KAFKA_OPTS.",
        ),
    ];
    ConfigDef::new(own.into_iter().chain(ssl_keys()))
}

fn listeners() -> Validator {
    let check = |text: &str| ListenerUrl::parse_list(text).map(drop).map_err(|error: Error| error.to_string());
    Validator::custom("http://host:port or https://host:port, separated by commas", check)
}

fn rules() -> Validator {
    Validator::custom("rules, separated by commas", |text| {
        response_headers::check(text).map_err(|error| error.to_string())
    })
}

fn extensions() -> Validator {
    each("names of extensions", |class| {
        basic_auth::is_known(class).then_some(()).ok_or_else(|| basic_auth::unknown(class))
    })
}

/// A list whose elements are checked one by one; an empty one counts as none.
fn each(what: &str, check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Validator {
    Validator::custom(format!("{what}, separated by commas"), move |text| {
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).try_for_each(&check)
    })
}

/// The settings of HTTPS, without the prefix of a kind of listeners.
pub(crate) fn ssl_definition() -> ConfigDef {
    ConfigDef::new(ssl_keys())
}

fn ssl_keys() -> [ConfigKey; 12] {
    let https = |name: &str, kind: ConfigType| ConfigKey::new(name, kind).group(HTTPS);
    [
        https("ssl.keystore.location", ConfigType::String).doc(
            "PKCS #12 store, or PEM file, with the certificate and the key of https listeners. This and the following \
             may also have the prefix listeners.https. or admin.listeners.https.; without a prefix they apply to the \
             worker's own Kafka clients too.",
        ),
        https("ssl.keystore.password", ConfigType::Password).doc("Password of the store."),
        https("ssl.keystore.type", ConfigType::String)
            .doc("PEM, if the file's name does not end in .pem, .crt or .cer."),
        https("ssl.keystore.certificate.chain", ConfigType::Password).doc("The certificate itself, as PEM."),
        https("ssl.keystore.key", ConfigType::Password).doc("The key itself, as PEM."),
        https("ssl.truststore.location", ConfigType::String)
            .doc("PKCS #12 store, or PEM file, with the authorities of clients' certificates."),
        https("ssl.truststore.password", ConfigType::Password).doc("Password of that store."),
        https("ssl.truststore.type", ConfigType::String)
            .doc("PEM, if the file's name does not end in .pem, .crt or .cer."),
        https("ssl.truststore.certificates", ConfigType::Password).doc("The authorities themselves, as PEM."),
        https("ssl.client.auth", ConfigType::String)
            .default("none")
            .validator(Validator::OneOfIgnoringCase(["none", "requested", "required"].map(str::to_owned).to_vec()))
            .doc("Whether clients present a certificate: required, requested or none."),
        https("ssl.enabled.protocols", ConfigType::List)
            .doc("TLSv1.3, and TLSv1.2 too if older clients are to be served. The default is both."),
        https("ssl.protocol", ConfigType::String).doc("Used if ssl.enabled.protocols is not set."),
    ]
}
