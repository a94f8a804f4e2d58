//! Types and values as the protocol writes them.

pub(super) mod decode;
pub(super) mod encode;
mod info;

pub(super) use info::{described, put_description};

/// The protocol's numbers of types.
pub(super) mod token {
    pub(crate) const NULL: u8 = 0x1f;
    pub(crate) const INT1: u8 = 0x30;
    pub(crate) const BIT: u8 = 0x32;
    pub(crate) const INT2: u8 = 0x34;
    pub(crate) const INT4: u8 = 0x38;
    pub(crate) const DATETIME4: u8 = 0x3a;
    pub(crate) const FLOAT4: u8 = 0x3b;
    pub(crate) const MONEY: u8 = 0x3c;
    pub(crate) const DATETIME: u8 = 0x3d;
    pub(crate) const FLOAT8: u8 = 0x3e;
    pub(crate) const MONEY4: u8 = 0x7a;
    pub(crate) const INT8: u8 = 0x7f;
    pub(crate) const GUID: u8 = 0x24;
    pub(crate) const INT_N: u8 = 0x26;
    pub(crate) const DATE: u8 = 0x28;
    pub(crate) const TIME: u8 = 0x29;
    pub(crate) const DATETIME2: u8 = 0x2a;
    pub(crate) const DATETIME_OFFSET: u8 = 0x2b;
    pub(crate) const BIT_N: u8 = 0x68;
    pub(crate) const DECIMAL_N: u8 = 0x6a;
    pub(crate) const NUMERIC_N: u8 = 0x6c;
    pub(crate) const FLOAT_N: u8 = 0x6d;
    pub(crate) const MONEY_N: u8 = 0x6e;
    pub(crate) const DATETIME_N: u8 = 0x6f;
    pub(crate) const OLD_VARBINARY: u8 = 0x25;
    pub(crate) const OLD_VARCHAR: u8 = 0x27;
    pub(crate) const OLD_BINARY: u8 = 0x2d;
    pub(crate) const OLD_CHAR: u8 = 0x2f;
    pub(crate) const VARBINARY: u8 = 0xa5;
    pub(crate) const VARCHAR: u8 = 0xa7;
    pub(crate) const BINARY: u8 = 0xad;
    pub(crate) const CHAR: u8 = 0xaf;
    pub(crate) const NVARCHAR: u8 = 0xe7;
    pub(crate) const NCHAR: u8 = 0xef;
    pub(crate) const UDT: u8 = 0xf0;
    pub(crate) const XML: u8 = 0xf1;
    pub(crate) const TABLE: u8 = 0xf3;
    pub(crate) const IMAGE: u8 = 0x22;
    pub(crate) const TEXT: u8 = 0x23;
    pub(crate) const VARIANT: u8 = 0x62;
    pub(crate) const NTEXT: u8 = 0x63;
}

/// The length that means `max`.
const MAX: u16 = 0xffff;

/// Bytes of a decimal's value with its sign.
fn decimal_bytes(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// Bytes of a time of day.
fn time_bytes(scale: u8) -> u8 {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

/// Ticks of 100 ns in one unit of the scale.
fn ticks_in_unit(scale: u8) -> u64 {
    10_u64.pow(7 - u32::from(scale.min(7)))
}
