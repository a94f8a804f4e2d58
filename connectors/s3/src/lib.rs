//! The S3 sink.
