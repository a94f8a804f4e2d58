//! An in-process Kafka-protocol broker and S3 endpoint.
