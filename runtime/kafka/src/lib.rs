//! The only crate that names a Kafka client.
