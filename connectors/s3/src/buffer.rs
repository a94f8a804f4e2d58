use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tributary_api::{Error, Record, Result};

use crate::format::Format;

/// The bytes of an object that are not in S3 yet, compressed or plain.
#[derive(Debug)]
pub(crate) enum Buffer {
    Plain(Vec<u8>),
    Gzip { encoder: GzEncoder<Vec<u8>>, line: Vec<u8> },
}

impl Buffer {
    pub(crate) fn new(gzip: Option<Compression>) -> Self {
        match gzip {
            None => Self::Plain(Vec::new()),
            Some(level) => Self::Gzip { encoder: GzEncoder::new(Vec::new(), level), line: Vec::new() },
        }
    }

    /// Appends a record atomically.
    pub(crate) fn append(&mut self, format: &Format, record: &Record) -> Result<()> {
        match self {
            Self::Plain(bytes) => {
                let before = bytes.len();
                format.write(record, bytes).inspect_err(|_| bytes.truncate(before))
            }
            Self::Gzip { encoder, line } => {
                line.clear();
                format.write(record, line)?;
                encoder.write_all(line).map_err(|error| Error::fatal("cannot compress").cause(&error))
            }
        }
    }

    /// The bytes that can be sent now.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Gzip { encoder, .. } => encoder.get_ref().len(),
        }
    }

    /// Takes the bytes that can be sent now; more may follow.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(bytes) => std::mem::take(bytes),
            Self::Gzip { encoder, .. } => std::mem::take(encoder.get_mut()),
        }
    }

    /// Takes the rest and ends the buffer.
    pub(crate) fn finish(self) -> Result<Vec<u8>> {
        match self {
            Self::Plain(bytes) => Ok(bytes),
            Self::Gzip { encoder, .. } => {
                encoder.finish().map_err(|error| Error::fatal("cannot compress").cause(&error))
            }
        }
    }
}
