use bytestring::ByteString;
use tiberius::{ColumnData, Query};
use tributary_api::{Error, Result};

use crate::lsn::Lsn;

/// A parameter of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Parameter {
    Int(i32),
    Long(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Lsn(Lsn),
}

impl From<i32> for Parameter {
    fn from(value: i32) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Parameter {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Lsn> for Parameter {
    fn from(value: Lsn) -> Self {
        Self::Lsn(value)
    }
}

impl Parameter {
    pub(super) fn bind(self, query: &mut Query<'_>) {
        match self {
            Self::Int(value) => query.bind(value),
            Self::Long(value) => query.bind(value),
            Self::Double(value) => query.bind(value),
            Self::Text(text) => query.bind(text),
            Self::Bytes(bytes) => query.bind(bytes),
            Self::Lsn(lsn) => query.bind(lsn.as_bytes().to_vec()),
        }
    }
}

/// The values of a row, from left to right.
#[derive(Debug)]
pub(crate) struct Cells(std::vec::IntoIter<ColumnData<'static>>);

impl Cells {
    pub(super) fn of(row: tiberius::Row) -> Self {
        Self(row.into_iter().collect::<Vec<_>>().into_iter())
    }

    /// The next value as the driver returns it.
    pub(crate) fn data(&mut self) -> Result<ColumnData<'static>> {
        self.0.next().ok_or_else(|| Error::fatal("the server's answer has fewer columns than were selected"))
    }

    pub(crate) fn rest(self) -> Vec<ColumnData<'static>> {
        self.0.collect()
    }

    pub(crate) fn text(&mut self) -> Result<Option<String>> {
        match self.data()? {
            ColumnData::String(text) => Ok(text.map(std::borrow::Cow::into_owned)),
            other => Err(unexpected("text", &other)),
        }
    }

    pub(crate) fn required_text(&mut self) -> Result<ByteString> {
        let text = self.text()?.ok_or_else(|| Error::fatal("the server answers with null where a name is expected"))?;
        Ok(text.into())
    }

    /// An integer of any width.
    pub(crate) fn int(&mut self) -> Result<Option<i64>> {
        match self.data()? {
            ColumnData::U8(value) => Ok(value.map(Into::into)),
            ColumnData::I16(value) => Ok(value.map(Into::into)),
            ColumnData::I32(value) => Ok(value.map(Into::into)),
            ColumnData::I64(value) => Ok(value),
            ColumnData::Bit(value) => Ok(value.map(Into::into)),
            other => Err(unexpected("an integer", &other)),
        }
    }

    pub(crate) fn required_int(&mut self) -> Result<i64> {
        self.int()?.ok_or_else(|| Error::fatal("the server answers with null where a number is expected"))
    }

    pub(crate) fn bytes(&mut self) -> Result<Option<Vec<u8>>> {
        match self.data()? {
            ColumnData::Binary(bytes) => Ok(bytes.map(std::borrow::Cow::into_owned)),
            other => Err(unexpected("bytes", &other)),
        }
    }

    pub(crate) fn lsn(&mut self) -> Result<Option<Lsn>> {
        Ok(self.bytes()?.as_deref().and_then(Lsn::from_bytes))
    }
}

fn unexpected(what: &str, data: &ColumnData<'_>) -> Error {
    Error::fatal(format!("the server answers with {data:?} where {what} is expected"))
}
