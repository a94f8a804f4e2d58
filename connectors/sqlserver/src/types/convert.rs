use bytestring::ByteString;
use tiberius::ColumnData;
use tiberius::numeric::Numeric;
use tributary_api::{BigInt, Decimal, Error, Result, Value};
use uuid::Uuid;

use super::kind::TimeForm;
use super::{DecimalMode, Kind, time};

/// Why a value cannot be converted to the type that its column is known to have.
#[derive(Debug)]
pub(crate) struct ConversionError {
    /// Has the kind `Data`.
    pub(crate) error: Error,
    /// Whether the value has another type than the column had when the table's structure was last read.
    pub(crate) altered: bool,
}

impl From<Error> for ConversionError {
    fn from(error: Error) -> Self {
        Self { error, altered: false }
    }
}

/// Converts a value as the driver returns it to the value for its column.
pub(crate) fn convert(kind: Kind, data: ColumnData<'static>) -> Result<Value, ConversionError> {
    let value = match (kind, altered(kind, data)) {
        (Kind::Boolean, ColumnData::Bit(value)) => value.map(Value::Boolean),
        (Kind::Int16, ColumnData::U8(value)) => value.map(|value| Value::Int16(value.into())),
        (Kind::Int16, ColumnData::I16(value)) => value.map(Value::Int16),
        (Kind::Int32, ColumnData::I32(value)) => value.map(Value::Int32),
        (Kind::Int64, ColumnData::I64(value)) => value.map(Value::Int64),
        (Kind::Float32, ColumnData::F32(value)) => value.map(Value::Float32),
        (Kind::Float64, ColumnData::F64(value)) => value.map(Value::Float64),
        // The server may send a `float(n)` with few digits as a 32-bit float.
        (Kind::Float64, ColumnData::F32(value)) => value.map(|value| Value::Float64(value.into())),
        (Kind::Decimal { mode, scale, .. }, ColumnData::Numeric(value)) => {
            value.map(|value| decimal(value, mode, scale)).transpose()?
        }
        (Kind::Text, ColumnData::String(value)) => value.map(|value| Value::String(text(value.into_owned()))),
        (Kind::Text, ColumnData::Xml(value)) => value.map(|xml| Value::String(xml.into_owned().into_string().into())),
        (Kind::Text, ColumnData::Guid(value)) => {
            value.map(|guid| (&*guid.hyphenated().encode_upper(&mut Uuid::encode_buffer())).into())
        }
        (Kind::Binary(mode), ColumnData::Binary(value)) => value.map(|bytes| mode.value(bytes.into_owned())),
        (Kind::Date(form), ColumnData::Date(value)) => value.map(|date| time::date_value(time::days(date), form)),
        (Kind::Time(form), ColumnData::Time(value)) => {
            value.map(|value| time::time_value(time::time_ticks(value), form))
        }
        (Kind::Timestamp(form), ColumnData::DateTime2(value)) => timestamp(value.map(time::timestamp_ticks), form)?,
        (Kind::Timestamp(form), ColumnData::DateTime(value)) => timestamp(value.map(time::datetime_ticks), form)?,
        (Kind::Timestamp(form), ColumnData::SmallDateTime(value)) => {
            timestamp(value.map(time::small_datetime_ticks), form)?
        }
        (Kind::ZonedTimestamp, ColumnData::DateTimeOffset(value)) => value.map(|value| time::zoned_text(value).into()),
        // The driver returns null as one of these types where it does not know the column's type.
        (_, ColumnData::U8(None) | ColumnData::I32(None) | ColumnData::String(None) | ColumnData::Binary(None)) => None,
        (kind, data) => {
            // The message must not show the value: a mask may be configured to hide it.
            let data = format!("{data:?}");
            let read = data.split('(').next().unwrap_or_default();
            let message = format!(
                "a value {read} does not fit its column, which was read as {kind:?}: its type may have been altered"
            );
            return Err(ConversionError { error: Error::data(message), altered: true });
        }
    };
    Ok(value.unwrap_or_default())
}

/// A short text that has more room than it needs is copied: shared, it would need a second allocation, and keep the room.
fn text(text: String) -> ByteString {
    const SHORT: usize = 1024;
    if text.len() < text.capacity() && text.len() <= SHORT { ByteString::from(&*text) } else { ByteString::from(text) }
}

/// Values of columns whose type was altered. The change table has the new type immediately, while the known structure
/// is still that of before, so an integer of another width is accepted if it fits. The same holds for `money` that was
/// read without a cast, because the table no longer has the column or the type has a name of its own.
fn altered(kind: Kind, data: ColumnData<'static>) -> ColumnData<'static> {
    let whole = match data {
        ColumnData::U8(Some(value)) => i64::from(value),
        ColumnData::I16(Some(value)) => value.into(),
        ColumnData::I32(Some(value)) => value.into(),
        ColumnData::I64(Some(value)) => value,
        ColumnData::F64(Some(value)) if matches!(kind, Kind::Decimal { .. }) => {
            return money(value).map_or(data, |number| ColumnData::Numeric(Some(number)));
        }
        other => return other,
    };
    match kind {
        Kind::Int16 => i16::try_from(whole).map_or(data, |value| ColumnData::I16(Some(value))),
        Kind::Int32 => i32::try_from(whole).map_or(data, |value| ColumnData::I32(Some(value))),
        Kind::Int64 => ColumnData::I64(Some(whole)),
        _ => data,
    }
}

/// The driver has divided the number by 10,000 as a double. Below 51 bits the original number is still exact.
fn money(value: f64) -> Option<Numeric> {
    let unscaled: i128 = format!("{:.0}", value * 10_000.0).parse().ok()?;
    (unscaled.unsigned_abs() < (1 << 51)).then(|| Numeric::new_with_scale(unscaled, 4))
}

fn timestamp(ticks: Option<i64>, form: TimeForm) -> Result<Option<Value>> {
    let Some(ticks) = ticks else { return Ok(None) };
    time::timestamp_value(ticks, form).map(Some).ok_or_else(|| {
        Error::data(
            "a timestamp before 1677 or after 2262 cannot be represented in nanoseconds: set time.precision.mode to microseconds",
        )
    })
}

fn decimal(value: Numeric, mode: DecimalMode, scale: i32) -> Result<Value, ConversionError> {
    let digits = i32::from(value.scale());
    let unscaled = match u32::try_from(scale - digits) {
        Ok(more) => 10_i128.checked_pow(more).and_then(|factor| value.value().checked_mul(factor)),
        Err(_) => None,
    };
    let Some(unscaled) = unscaled else {
        let message =
            format!("a number with {digits} digits after the decimal point does not fit a column of scale {scale}");
        return Err(ConversionError { error: Error::data(message), altered: true });
    };
    Ok(match mode {
        DecimalMode::Precise => Value::Decimal(Decimal { unscaled: BigInt::from(unscaled), scale }),
        DecimalMode::String => decimal_text(unscaled, scale).into(),
        DecimalMode::Double => {
            let number: f64 = decimal_text(unscaled, scale)
                .parse()
                .map_err(|_| Error::data("a decimal cannot be read as a double"))?;
            Value::Float64(number)
        }
    })
}

/// All digits, without an exponent.
pub(crate) fn decimal_text(unscaled: i128, scale: i32) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let (sign, point) = (if unscaled < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tributary_api::ErrorKind;

    fn money(mode: DecimalMode) -> Kind {
        Kind::Decimal { mode, precision: 19, scale: 4 }
    }

    fn largest_money() -> ColumnData<'static> {
        ColumnData::Numeric(Some(Numeric::new_with_scale(9_223_372_036_854_775_807, 4)))
    }

    #[test]
    fn the_largest_money_is_exact() {
        let Value::Decimal(exact) = convert(money(DecimalMode::Precise), largest_money()).unwrap() else { panic!() };
        assert_eq!(exact.unscaled.to_signed_bytes_be(), [0x7f, 255, 255, 255, 255, 255, 255, 255]);
        let text = convert(money(DecimalMode::String), largest_money()).unwrap();
        assert_eq!(text, "922337203685477.5807".into());
        let double = convert(money(DecimalMode::Double), largest_money()).unwrap();
        assert_eq!(double, Value::Float64(922_337_203_685_477.6));
    }

    #[test]
    fn a_plain_number_has_all_its_digits() {
        assert_eq!(decimal_text(-5, 3), "-0.005");
        assert_eq!(decimal_text(0, 2), "0.00");
        assert_eq!(decimal_text(-999_999_999_999_999_999, 0), "-999999999999999999");
        let longest = 12_345_678_901_234_567_890_123_456_780_123_456_789_i128;
        assert_eq!(decimal_text(longest, 10), "1234567890123456789012345678.0123456789");
    }

    #[test]
    fn an_identifier_is_in_upper_case() {
        let guid = "6f9619ff-8b86-d011-b42d-00c04fc964ff".parse().unwrap();
        let value = convert(Kind::Text, ColumnData::Guid(Some(guid))).unwrap();
        assert_eq!(value, "6F9619FF-8B86-D011-B42D-00C04FC964FF".into());
    }

    #[test]
    fn a_tinyint_has_no_sign() {
        assert_eq!(convert(Kind::Int16, ColumnData::U8(Some(255))).unwrap(), Value::Int16(255));
    }

    #[test]
    fn a_number_of_another_width_is_taken_as_far_as_it_fits() {
        assert_eq!(convert(Kind::Int32, ColumnData::I64(Some(-7))).unwrap(), Value::Int32(-7));
        assert_eq!(convert(Kind::Int64, ColumnData::U8(Some(7))).unwrap(), Value::Int64(7));
        assert_eq!(convert(Kind::Int16, ColumnData::I32(Some(7))).unwrap(), Value::Int16(7));
        assert!(convert(Kind::Int32, ColumnData::I64(Some(1 << 40))).is_err());
    }

    #[test]
    fn money_as_the_driver_reads_it_is_exact_below_51_bits() {
        let read = |value| convert(money(DecimalMode::String), ColumnData::F64(Some(value)));
        assert_eq!(read(1.5).unwrap(), "1.5000".into());
        assert_eq!(read(-200_000_000_000.123_4).unwrap(), "-200000000000.1234".into());
        assert!(read(922_337_203_685_477.6).is_err() && read(f64::NAN).is_err());
    }

    #[test]
    fn an_error_does_not_show_the_value() {
        let error = convert(Kind::Int32, ColumnData::String(Some("secret".into()))).unwrap_err().error;
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn null_is_null_and_what_does_not_fit_is_an_error_of_the_record() {
        assert_eq!(convert(Kind::Int32, ColumnData::I32(None)).unwrap(), Value::Null);
        let unfit = convert(Kind::Int32, ColumnData::String(Some("x".into()))).unwrap_err();
        assert!(unfit.altered);
        assert_eq!(unfit.error.kind(), ErrorKind::Data);
    }
}
