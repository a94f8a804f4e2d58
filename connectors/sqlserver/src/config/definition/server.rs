use tributary_api::{ConfigKey, ConfigType, Importance};

use super::{at_least, key};

pub(super) fn keys() -> Vec<ConfigKey> {
    let group = |order, name: &str, kind| key("SQL Server", order, name, kind);
    vec![
        group(1, "topic.prefix", ConfigType::String).required().importance(Importance::High).doc("The beginning of all topics' names, and the name of the server in records and offsets. Other connectors must not have the same."),
        group(2, "database.names", ConfigType::List).required().importance(Importance::High).doc("The databases, divided by commas. Each is read by one task."),
        group(3, "database.hostname", ConfigType::String).required().importance(Importance::High).doc("The server's name or address."),
        group(4, "database.port", ConfigType::Int).default("1433").importance(Importance::High).doc("The server's port."),
        group(5, "database.user", ConfigType::String).importance(Importance::High).doc("The login. What it has to be granted is written in the connector's README."),
        group(6, "database.password", ConfigType::Password).importance(Importance::High).doc("The password of the login."),
        group(7, "database.query.timeout.ms", ConfigType::Int).default("600000").validator(at_least(0)).importance(Importance::Low).doc("How long a statement may take. 0: for ever."),
        group(8, "database.instance", ConfigType::String).importance(Importance::Low).doc("The name of the instance. The port says which one is connected to."),
    ]
}
