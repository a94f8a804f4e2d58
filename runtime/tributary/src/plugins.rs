use tributary_api::Plugin;

/// The plugins that come with Tributary. A worker with other plugins is a `main` with another list.
pub fn plugins() -> Vec<Plugin> {
    [
        tributary_file::plugins(),
        tributary_clickstream::plugins(),
        tributary_mongodb::plugins(),
        tributary_s3::plugins(),
        tributary_sqlserver::plugins(),
        tributary_lambda::plugins(),
        vec![tributary_worker::stream_processor()],
        tributary_transforms::plugins(),
        tributary_personalization::plugins(),
        tributary_converters::plugins(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use tributary_api::{KAFKA_VERSION, PluginRegistry};

    use super::*;

    #[test]
    fn every_class_is_registered_once_for_each_kind_and_documented() {
        let mut seen = BTreeSet::new();
        for plugin in plugins() {
            let description = &plugin.description;
            assert!(seen.insert((description.class.clone(), description.kind)), "{}", description.class);
            for key in description.config.keys().filter(|key| !key.internal) {
                assert!(!key.documentation.is_empty(), "{} of {}", key.name, description.class);
            }
        }
    }

    #[test]
    fn plugins_that_replace_kafkas_own_report_kafkas_version_and_others_ours() {
        for plugin in plugins() {
            let description = &plugin.description;
            let kafkas = description.class.starts_with("org.apache.kafka.");
            let version = if kafkas { KAFKA_VERSION } else { env!("CARGO_PKG_VERSION") };
            assert_eq!(description.version, version, "{}", description.class);
        }
    }

    #[test]
    fn connectors_answer_to_their_short_names() {
        let names = [
            "FileStreamSource",
            "FileStreamSinkConnector",
            "MongoSink",
            "S3Sink",
            "SqlServer",
            "AwsLambdaSink",
            "tributary.StreamProcessor",
        ];
        let registry = PluginRegistry::new(plugins()).unwrap();
        for name in names {
            registry.find(name, tributary_api::PluginKind::is_connector).unwrap();
        }
    }
}
