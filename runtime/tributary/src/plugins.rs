use tributary_api::PluginRegistry;

/// The plugins of this binary. A worker with others is a `main` with another list.
pub fn registry() -> PluginRegistry {
    PluginRegistry::new(
        [
            tributary_file::plugins(),
            tributary_clickstream::plugins(),
            tributary_mongodb::plugins(),
            tributary_s3::plugins(),
            tributary_lambda::plugins(),
            vec![tributary_worker::stream_processor()],
            tributary_transforms::plugins(),
            tributary_personalization::plugins(),
            tributary_converters::plugins(),
        ]
        .into_iter()
        .flatten(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_is_there_once_for_each_kind_and_is_documented() {
        let mut seen = BTreeSet::new();
        for plugin in registry().iter() {
            let description = &plugin.description;
            assert!(seen.insert((description.class.clone(), description.kind)), "{}", description.class);
            for key in description.config.keys().filter(|key| !key.internal) {
                assert!(!key.documentation.is_empty(), "{} of {}", key.name, description.class);
            }
        }
    }

    #[test]
    fn connectors_answer_to_their_short_names() {
        let names = [
            "FileStreamSource",
            "FileStreamSinkConnector",
            "MongoSink",
            "S3Sink",
            "AwsLambdaSink",
            "tributary.StreamProcessor",
        ];
        for name in names {
            registry().find(name, tributary_api::PluginKind::is_connector).unwrap();
        }
    }
}
