use tributary_api::{Config, ConfigIssue, ExactlyOnceSupport, SourceConnector};

const SUPPORT: &str = "exactly.once.support";
const BOUNDARY: &str = "transaction.boundary";

/// What a source connector cannot do of what is asked of it. The texts are Kafka Connect's.
pub(super) fn issues(connector: &dyn SourceConnector, config: &Config) -> Vec<ConfigIssue> {
    let asks = |property: &str, value: &str| {
        config.originals().get(property).is_some_and(|given| given.trim().eq_ignore_ascii_case(value))
    };
    let mut issues = Vec::new();
    if asks(SUPPORT, "required") {
        let message = match connector.exactly_once_support(config) {
            ExactlyOnceSupport::Supported => None,
            ExactlyOnceSupport::Unsupported => {
                Some("The connector does not support exactly-once semantics with the provided configuration.")
            }
            _ => Some(
                "The connector does not implement the API required for preflight validation of exactly-once source support. \
                 Please consult the documentation for the connector to determine whether it supports exactly-once \
                 semantics, and then consider reconfiguring the connector to use the value \"requested\" for this property \
                 (which will disable this preflight check and allow the connector to be created).",
            ),
        };
        issues.extend(message.map(|message| ConfigIssue::new(SUPPORT, message)));
    }
    if asks(BOUNDARY, "connector") && !connector.can_define_transaction_boundaries(config) {
        let message = "The connector does not support connector-defined transaction boundaries with the given configuration. \
                       Please reconfigure it to use a different transaction boundary definition.";
        issues.push(ConfigIssue::new(BOUNDARY, message));
    }
    issues
}
