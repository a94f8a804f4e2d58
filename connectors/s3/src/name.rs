use tributary_api::{Error, Result, TopicPartition};

/// The longest key that S3 takes, in bytes of UTF-8.
const LONGEST: usize = 1024;

/// How objects are named.
#[derive(Clone, Debug)]
pub(crate) struct ObjectNames {
    /// The top folder; none when empty.
    pub(crate) folder: String,
    /// Between folders.
    pub(crate) directory: String,
    /// Between the parts of the last name.
    pub(crate) file: String,
    /// The minimum number of digits of the offset.
    pub(crate) zeros: usize,
    /// With its dot.
    pub(crate) extension: String,
}

impl ObjectNames {
    /// `<folder>/<topic>/partition=<n>/<topic>+<n>+<offset><extension>`
    pub(crate) fn object(&self, partition: &TopicPartition, start: i64) -> String {
        let Self { folder, directory: d, file: f, zeros, extension } = self;
        let TopicPartition { topic, partition: n } = partition;
        let root = if folder.trim().is_empty() { String::new() } else { format!("{folder}{d}") };
        format!("{root}{topic}{d}partition={n}{d}{topic}{f}{n}{f}{start:0zeros$}{extension}")
    }

    /// Whether S3 takes the names of a partition's objects, however many records it will have.
    ///
    /// # Errors
    /// `Config` at topics.dir, with both numbers: the request would be refused each time.
    pub(crate) fn fit(&self, partition: &TopicPartition) -> Result<()> {
        let longest = self.object(partition, i64::MAX).len();
        if longest <= LONGEST {
            return Ok(());
        }
        let (topic, over) = (&partition.topic, longest - LONGEST);
        Err(Error::config_at(
            "topics.dir",
            format!(
                "names of objects of topic {topic} have up to {longest} bytes, and S3 takes {LONGEST}: make topics.dir \
                 shorter by {over}"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folder: &str, zeros: usize, extension: &str, expected: &str) {
        let [folder, directory, file, extension] = [folder, "/", "+", extension].map(str::to_owned);
        let names = ObjectNames { folder, directory, file, zeros, extension };
        assert_eq!(names.object(&TopicPartition::new("clicks", 3), 42), expected);
    }

    #[test]
    fn names_that_s3_does_not_take_are_refused_with_both_numbers() {
        let names = |folder: usize| {
            let [directory, file, extension] = ["/", "+", ".json"].map(str::to_owned);
            ObjectNames { folder: "d".repeat(folder), directory, file, zeros: 10, extension }
        };
        let longest = names(1).object(&TopicPartition::new("clicks", 3), i64::MAX).len() - 1;
        let fit = |folder| names(folder).fit(&TopicPartition::new("clicks", 3));
        assert_eq!(fit(1024 - longest), Ok(()));
        let error = fit(1024 - longest + 7).unwrap_err();
        assert_eq!(error.property(), Some("topics.dir"));
        let text = error.to_string();
        assert!(text.contains("up to 1031 bytes") && text.contains("takes 1024") && text.ends_with("by 7"), "{text}");
    }

    #[test]
    fn objects_are_named_as_confluent_names_them() {
        check("topics", 10, ".json", "topics/clicks/partition=3/clicks+3+0000000042.json");
        check("a/b", 0, ".json.gz", "a/b/clicks/partition=3/clicks+3+42.json.gz");
        check(" ", 10, ".bin", "clicks/partition=3/clicks+3+0000000042.bin");
    }
}
