use tributary_api::{ConfigKey, ConfigType, Importance, Validator, Width};

use super::{flag, key, refused, text};

const CONNECTION: &str = "Connection";
const API: &str = "Server Api";
const SSL: &str = "SSL";
const OVERRIDES: &str = "Overrides";
const DELIVERY: &str = "Delivery";
const ENCRYPTION: &str = "Client-side encryption";

pub(super) fn keys() -> Vec<ConfigKey> {
    let mut keys = server();
    keys.extend(certificates());
    keys.extend(delivery());
    keys.extend(not_supported());
    keys
}

fn server() -> Vec<ConfigKey> {
    vec![
        key(CONNECTION, 3, "connection.uri", ConfigType::Password)
            .default("mongodb://localhost:27017")
            .importance(Importance::High)
            .display_name("Connection string")
            .doc(
                "The connection string of the server or replica set, with its options, in the format of all MongoDB \
                  drivers.",
            ),
        text(API, 1, "server.api.version").one_of(&["", "1"]).display_name("Server API version").doc(
            "Declares the version of the stable API that the server should enforce. Empty: none. Needs MongoDB 5.0.",
        ),
        flag(API, 2, "server.api.deprecation.errors", false)
            .display_name("Refuse what is deprecated")
            .doc("Whether the server refuses commands that are deprecated in the declared version of its API."),
        flag(API, 3, "server.api.strict", false)
            .display_name("Refuse what is not in the API")
            .doc("Whether the server refuses commands that are not part of the declared version of its API."),
        text(OVERRIDES, 1, "topic.override.%s.%s")
            .importance(Importance::Low)
            .display_name("Properties for one topic")
            .doc(
                "A pattern for properties of single topics: topic.override.orders.collection=sales sets the property \
                 collection for the topic orders. All properties of records can be overridden, those of the connection \
                 cannot. Not to be set itself.",
            ),
        ConfigKey::new("provider", ConfigType::String)
            .default("")
            .importance(Importance::Low)
            .doc("The connector's provider, for the client's metadata.")
            .internal(),
    ]
}

fn certificates() -> Vec<ConfigKey> {
    let file = |order, name: &str| text(SSL, order, name).width(Width::Long);
    let secret = |order, name: &str| key(SSL, order, name, ConfigType::Password).default("");
    vec![
        file(1, "connection.ssl.truststore")
            .display_name("Trusted authorities")
            .doc("A file with the certificates of the authorities that the server's certificate is verified with."),
        secret(2, "connection.ssl.truststorePassword")
            .display_name("Password of the trusted authorities")
            .doc("The password of the file connection.ssl.truststore."),
        file(3, "connection.ssl.keystore")
            .display_name("Client certificate")
            .doc("A file with this client's certificate and private key."),
        secret(4, "connection.ssl.keystorePassword")
            .display_name("Password of the client certificate")
            .doc("The password of the file connection.ssl.keystore."),
    ]
}

fn delivery() -> Vec<ConfigKey> {
    let time = |order, name: &str, default: i64| {
        let key = key(DELIVERY, order, name, ConfigType::Long).default(default);
        key.validator(Validator::AtLeast(0)).importance(Importance::Low)
    };
    vec![
        time(1, "retry.backoff.ms", 100).display_name("First wait before a retry").doc(
            "Milliseconds to wait before a failed write is retried. Each further wait is twice as long, up to \
                  retry.backoff.max.ms. Specific to Tributary.",
        ),
        time(2, "retry.backoff.max.ms", 10_000)
            .display_name("Longest wait before a retry")
            .doc("The maximum of milliseconds before a retry. Specific to Tributary."),
        time(3, "retry.timeout.ms", 300_000).display_name("Retry timeout").doc(
            "Milliseconds after which the task fails when the server does not accept writes or cannot be reached. \
                  Specific to Tributary.",
        ),
        text(DELIVERY, 4, "exactly.once.offsets.collection").display_name("Collection of offsets").doc(
            "If set, documents and the offsets of their records are written in one transaction, and a task \
                  continues from the offsets in this collection of the database given by the property database: every \
                  record takes effect exactly once. Needs a replica set or a sharded cluster. Empty: at least once. \
                  Specific to Tributary.",
        ),
    ]
}

fn not_supported() -> Vec<ConfigKey> {
    let encryption = "encryption of fields by the client needs a C library; encrypt before the topic or at rest.";
    let credentials = "a Java class cannot be loaded; put the credentials in connection.uri.";
    vec![
        flag(ENCRYPTION, 1, "csfle.enabled", false)
            .importance(Importance::Low)
            .doc(format!("Not supported when true: {encryption}")),
        refused(ENCRYPTION, 2, "csfle.key.vault.namespace", encryption),
        key(ENCRYPTION, 3, "csfle.local.master.key", ConfigType::Password)
            .default("")
            .importance(Importance::Low)
            .doc(format!("Not supported: {encryption}")),
        refused(ENCRYPTION, 4, "csfle.schema.map", encryption),
        flag(ENCRYPTION, 5, "csfle.bypass.query.analysis", true)
            .importance(Importance::Low)
            .doc("Without effect: encryption of fields by the client is not supported."),
        flag(CONNECTION, 4, "mongo.custom.auth.mechanism.enable", false)
            .importance(Importance::Low)
            .doc(format!("Not supported when true: {credentials}")),
        text(CONNECTION, 5, "mongo.custom.auth.mechanism.providerClass")
            .importance(Importance::Low)
            .doc("Without effect: it belongs to mongo.custom.auth.mechanism.enable, which is not supported."),
    ]
}
