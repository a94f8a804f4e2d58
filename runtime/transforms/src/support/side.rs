use tributary_api::{Datum, Record};

/// The part of a record that a transform works on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Key,
    Value,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Key, Self::Value];

    /// The class of a transform on this side: `InsertField$Key`.
    pub(crate) fn class(self, transform: &str) -> String {
        let side = match self {
            Self::Key => "Key",
            Self::Value => "Value",
        };
        format!("{transform}${side}")
    }

    pub(crate) fn of(self, record: &mut Record) -> &mut Datum {
        match self {
            Self::Key => &mut record.key,
            Self::Value => &mut record.value,
        }
    }
}
