//! The types and values of SQL Server, as the engine holds them and the wire carries them.

pub mod collation;

pub use collation::Collation;

/// The longest length of a variable type that is stored in the row; longer ones are `max`.
pub const MAX_BYTES: u16 = 8000;

/// How long a character or binary type may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Length {
    /// Characters of `char` and `varchar`, UTF-16 units of `nchar` and `nvarchar`, bytes of `binary` and `varbinary`.
    Limited(u16),
    /// `max`.
    Max,
}

/// A type of SQL Server, with all that a column's description says of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    /// `real`, `float(1..=24)`.
    Real,
    /// `float(25..=53)`.
    Float,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// As decimal, under its other name.
    Numeric {
        precision: u8,
        scale: u8,
    },
    SmallMoney,
    Money,
    Char {
        length: u16,
        collation: Collation,
    },
    VarChar {
        length: Length,
        collation: Collation,
    },
    Text {
        collation: Collation,
    },
    NChar {
        length: u16,
        collation: Collation,
    },
    NVarChar {
        length: Length,
        collation: Collation,
    },
    NText {
        collation: Collation,
    },
    Binary {
        length: u16,
    },
    VarBinary {
        length: Length,
    },
    Image,
    /// `timestamp`: 8 bytes that the server sets.
    RowVersion,
    UniqueIdentifier,
    Xml,
    Date,
    Time {
        scale: u8,
    },
    SmallDateTime,
    DateTime,
    DateTime2 {
        scale: u8,
    },
    DateTimeOffset {
        scale: u8,
    },
    Variant,
    /// A type of the common language runtime.
    Udt(Udt),
}

/// The types of the common language runtime that a server has from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Udt {
    HierarchyId,
    Geometry,
    Geography,
}

/// A value, canonical: it holds no more than its column's type can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    Null,
    Bit(bool),
    TinyInt(u8),
    SmallInt(i16),
    Int(i32),
    BigInt(i64),
    Real(f32),
    Float(f64),
    /// `unscaled / 10^scale`, of decimal and numeric; at most 38 digits.
    Decimal(Decimal),
    /// Ten-thousandths, of money and smallmoney.
    Money(i64),
    /// All character types; of char and nchar with their padding.
    Text(String),
    /// binary, varbinary, image, rowversion and the bytes of a UDT.
    Bytes(Vec<u8>),
    /// In the order in which it is written as text.
    Guid([u8; 16]),
    Xml(String),
    Date(Date),
    Time(Time),
    DateTime(DateTime),
    SmallDateTime(SmallDateTime),
    DateTime2(DateTime2),
    DateTimeOffset(DateTimeOffset),
    Variant(Box<Variant>),
}

/// A decimal number of at most 38 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub unscaled: i128,
    pub precision: u8,
    pub scale: u8,
}

/// Days since 0001-01-01, which is day 0; at most 3652058 (9999-12-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// Ticks of 100 ns since midnight, already rounded to the type's scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// `datetime`: days since 1900-01-01 (negative before) and three-hundredths of a second since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    pub days: i32,
    pub ticks: u32,
}

/// `smalldatetime`: days since 1900-01-01 and minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SmallDateTime {
    pub days: u16,
    pub minutes: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime2 {
    pub date: Date,
    pub time: Time,
}

/// The moment in UTC and the offset in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTimeOffset {
    pub utc: DateTime2,
    /// Minutes east of UTC, at most 840 either way.
    pub offset: i16,
}

/// A value with its own type; never null, never one of the types that `sql_variant` does not take.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub r#type: Type,
    pub value: Datum,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub r#type: Type,
    pub nullable: bool,
    pub identity: bool,
    pub computed: bool,
    /// Can be written through a cursor or bulk load: a table's column, not an expression.
    pub updatable: bool,
    /// The table it comes from, of text, ntext and image, whose description names it: database, schema, table.
    pub table: Vec<String>,
}

impl Column {
    /// A nullable column as expressions have it.
    pub fn new(name: impl Into<String>, r#type: Type) -> Column {
        Column {
            name: name.into(),
            r#type,
            nullable: true,
            identity: false,
            computed: false,
            updatable: false,
            table: Vec::new(),
        }
    }

    #[must_use]
    pub fn required(mut self) -> Column {
        self.nullable = false;
        self
    }
}

/// An error or a message of the server, as the client shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{number}, level {class}, state {state}, line {line}: {message}")]
pub struct SqlError {
    pub number: i32,
    pub state: u8,
    /// The severity: up to 10 for messages, from 20 on the connection is closed.
    pub class: u8,
    pub message: String,
    /// The line of the batch, from 1; 0 when it has none.
    pub line: i32,
    /// The procedure in which it arose; empty for a batch.
    pub procedure: String,
}

impl SqlError {
    pub fn new(number: i32, class: u8, state: u8, message: impl Into<String>) -> SqlError {
        SqlError { number, state, class, message: message.into(), line: 1, procedure: String::new() }
    }

    #[must_use]
    pub fn at(mut self, line: i32) -> SqlError {
        self.line = line;
        self
    }

    #[must_use]
    pub fn within(mut self, procedure: impl Into<String>) -> SqlError {
        self.procedure = procedure.into();
        self
    }
}

impl Type {
    /// The collation of a character type.
    pub fn collation(&self) -> Option<Collation> {
        match self {
            Type::Char { collation, .. }
            | Type::VarChar { collation, .. }
            | Type::Text { collation }
            | Type::NChar { collation, .. }
            | Type::NVarChar { collation, .. }
            | Type::NText { collation } => Some(*collation),
            _ => None,
        }
    }

    /// Texts and bytes of a limited length, row versions among them: sent behind a length of two bytes.
    pub fn has_short_length(&self) -> bool {
        matches!(
            self,
            Type::Char { .. }
                | Type::NChar { .. }
                | Type::Binary { .. }
                | Type::RowVersion
                | Type::VarChar { length: Length::Limited(_), .. }
                | Type::NVarChar { length: Length::Limited(_), .. }
                | Type::VarBinary { length: Length::Limited(_) }
        )
    }

    /// `varchar(max)`, `nvarchar(max)`, `varbinary(max)`, xml and UDTs: sent in parts.
    pub fn is_partial(&self) -> bool {
        matches!(
            self,
            Type::VarChar { length: Length::Max, .. }
                | Type::NVarChar { length: Length::Max, .. }
                | Type::VarBinary { length: Length::Max }
                | Type::Xml
                | Type::Udt(_)
        )
    }

    /// `text`, `ntext`, `image`: the large types of old.
    pub fn is_legacy_large(&self) -> bool {
        matches!(self, Type::Text { .. } | Type::NText { .. } | Type::Image)
    }
}

impl Udt {
    /// The type's name, which is in schema `sys`.
    pub fn name(self) -> &'static str {
        match self {
            Udt::HierarchyId => "hierarchyid",
            Udt::Geometry => "geometry",
            Udt::Geography => "geography",
        }
    }

    /// The most bytes that a value has; `u16::MAX` for no limit.
    pub fn max_bytes(self) -> u16 {
        match self {
            Udt::HierarchyId => 892,
            Udt::Geometry | Udt::Geography => u16::MAX,
        }
    }

    /// The assembly-qualified name that clients of the same runtime load it by.
    pub fn assembly(self) -> &'static str {
        match self {
            Udt::HierarchyId => {
                "Microsoft.SqlServer.Types.SqlHierarchyId, Microsoft.SqlServer.Types, Version=11.0.0.0, Culture=neutral, PublicKeyToken=89845dcd8080cc91"
            }
            Udt::Geometry => {
                "Microsoft.SqlServer.Types.SqlGeometry, Microsoft.SqlServer.Types, Version=11.0.0.0, Culture=neutral, PublicKeyToken=89845dcd8080cc91"
            }
            Udt::Geography => {
                "Microsoft.SqlServer.Types.SqlGeography, Microsoft.SqlServer.Types, Version=11.0.0.0, Culture=neutral, PublicKeyToken=89845dcd8080cc91"
            }
        }
    }
}
