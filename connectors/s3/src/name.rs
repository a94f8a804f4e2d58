use tributary_api::TopicPartition;

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
    fn objects_are_named_as_confluent_names_them() {
        check("topics", 10, ".json", "topics/clicks/partition=3/clicks+3+0000000042.json");
        check("a/b", 0, ".json.gz", "a/b/clicks/partition=3/clicks+3+42.json.gz");
        check(" ", 10, ".bin", "clicks/partition=3/clicks+3+0000000042.bin");
    }
}
