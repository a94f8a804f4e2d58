use bytes::Bytes;

use crate::{Datum, Result};

/// Turns keys or values into bytes and back. Shared by nobody: each task has its own.
#[allow(clippy::wrong_self_convention)] // the names are Kafka Connect's
pub trait Converter: Send {
    /// To bytes; `None` is a null key or a tombstone. Text and bytes should be passed on, not copied.
    ///
    /// # Errors
    /// `Data` when the value does not fit the format.
    fn from_connect_data(&mut self, topic: &str, datum: &Datum) -> Result<Option<Bytes>>;

    /// From bytes.
    ///
    /// # Errors
    /// `Data` when the bytes are not of the format.
    fn to_connect_data(&mut self, topic: &str, bytes: Option<Bytes>) -> Result<Datum>;
}

/// Turns header values into bytes and back.
#[allow(clippy::wrong_self_convention)] // the names are Kafka Connect's
pub trait HeaderConverter: Send {
    /// To bytes.
    ///
    /// # Errors
    /// `Data` when the value does not fit the format.
    fn from_connect_header(&mut self, topic: &str, name: &str, datum: &Datum) -> Result<Option<Bytes>>;

    /// From bytes.
    ///
    /// # Errors
    /// `Data` when the bytes are not of the format.
    fn to_connect_header(&mut self, topic: &str, name: &str, bytes: Option<Bytes>) -> Result<Datum>;
}
