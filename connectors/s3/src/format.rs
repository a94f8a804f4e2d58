use std::io::Write;

use tributary_api::{Error, Record, Result, Value, json};

/// The format of a record in an object.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    /// Its value as JSON, then a line end.
    Json,
    /// Its value as it is, then a separator.
    Bytes {
        /// Written after each record.
        separator: Vec<u8>,
    },
}

impl Format {
    /// Appends a record. On an error the caller must truncate what was written of it.
    pub(crate) fn write(&self, record: &Record, to: &mut impl Write) -> Result<()> {
        let problem = |error: std::io::Error| Error::fatal("cannot buffer a record").cause(&error);
        match self {
            Self::Json => {
                json::to_writer(&mut *to, &record.value.value)?;
                to.write_all(b"\n").map_err(problem)
            }
            Self::Bytes { separator } => {
                let bytes = match &record.value.value {
                    Value::Bytes(bytes) => &bytes[..],
                    Value::String(text) => text.as_bytes(),
                    _ => {
                        let advice = "use ByteArrayConverter, or the JSON format";
                        return Err(Error::data(format!("the value is neither bytes nor text: {advice}")));
                    }
                };
                to.write_all(bytes).and_then(|()| to.write_all(separator)).map_err(problem)
            }
        }
    }
}
