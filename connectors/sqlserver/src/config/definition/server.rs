use tributary_api::{ConfigKey, ConfigType, Importance};

use super::{at_least, key, topic_part};

pub(super) fn keys() -> Vec<ConfigKey> {
    let group = |order, name: &str, kind| key("SQL Server", order, name, kind);
    vec![
        group(1, "topic.prefix", ConfigType::String).required().validator(topic_part()).importance(Importance::High).doc("The beginning of all topics' names, and the name of the server in records and offsets. It must be different for each connector."),
        group(2, "database.names", ConfigType::List).required().importance(Importance::High).doc("The databases, separated by commas. Each is read by one task."),
        group(3, "database.hostname", ConfigType::String).required().importance(Importance::High).doc("The server's name or address."),
        group(4, "database.port", ConfigType::Int).default("1433").importance(Importance::High).doc("The server's port."),
        group(5, "database.user", ConfigType::String).importance(Importance::High).doc("The login. The connector's README lists the permissions that it needs."),
        group(6, "database.password", ConfigType::Password).importance(Importance::High).doc("The password of the login."),
        group(7, "database.query.timeout.ms", ConfigType::Int).default("600000").validator(at_least(0)).importance(Importance::Low).doc("How long a statement may take. 0: no limit."),
        group(8, "database.instance", ConfigType::String).importance(Importance::Low).doc("The name of the instance. Has no effect: database.port decides which instance is connected to."),
    ]
}
