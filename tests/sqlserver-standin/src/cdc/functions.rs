//! The scalar functions `sys.fn_cdc_...`.

use super::{Function, FunctionBody, arguments::sysname, arguments::text, lsn, mask};
use crate::data::{Datum, Length, SqlError, Type};

pub(crate) fn functions() -> Vec<Function> {
    let lsn = || Type::Binary { length: 10 };
    let mask = || Type::VarBinary { length: Length::Limited(128) };
    let expression = FunctionBody::Expression;
    let function = |name, parameters, returns, body| Function { schema: "sys", name, parameters, returns, body };
    vec![
        function(
            "fn_cdc_get_max_lsn",
            Vec::new(),
            lsn(),
            expression("(SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping)"),
        ),
        function(
            "fn_cdc_get_min_lsn",
            vec![("@capture_instance", sysname())],
            lsn(),
            expression(
                "ISNULL((SELECT start_lsn FROM cdc.change_tables WHERE capture_instance = @capture_instance), \
                 0x00000000000000000000)",
            ),
        ),
        function("fn_cdc_increment_lsn", vec![("@lsn", lsn())], lsn(), FunctionBody::Native(increment)),
        function("fn_cdc_decrement_lsn", vec![("@lsn", lsn())], lsn(), FunctionBody::Native(decrement)),
        function(
            "fn_cdc_map_lsn_to_time",
            vec![("@lsn", lsn())],
            Type::DateTime,
            expression("(SELECT tran_end_time FROM cdc.lsn_time_mapping WHERE start_lsn = @lsn)"),
        ),
        function(
            "fn_cdc_map_time_to_lsn",
            vec![("@relational_operator", text(30)), ("@tracking_time", Type::DateTime)],
            lsn(),
            expression(
                "CASE @relational_operator \
                 WHEN N'largest less than' THEN \
                     (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_end_time < @tracking_time) \
                 WHEN N'largest less than or equal' THEN \
                     (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_end_time <= @tracking_time) \
                 WHEN N'smallest greater than' THEN \
                     (SELECT MIN(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_end_time > @tracking_time) \
                 WHEN N'smallest greater than or equal' THEN \
                     (SELECT MIN(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_end_time >= @tracking_time) END",
            ),
        ),
        function(
            "fn_cdc_get_column_ordinal",
            vec![("@capture_instance", sysname()), ("@column_name", sysname())],
            Type::Int,
            expression(
                "(SELECT cc.column_ordinal FROM cdc.captured_columns cc JOIN cdc.change_tables ct \
                 ON ct.object_id = cc.object_id WHERE ct.capture_instance = @capture_instance \
                 AND cc.column_name = @column_name)",
            ),
        ),
        function(
            "fn_cdc_has_column_changed",
            vec![("@capture_instance", sysname()), ("@column_name", sysname()), ("@update_mask", mask())],
            Type::Bit,
            expression(
                "sys.fn_cdc_is_bit_set(sys.fn_cdc_get_column_ordinal(@capture_instance, @column_name), @update_mask)",
            ),
        ),
        function(
            "fn_cdc_is_bit_set",
            vec![("@position", Type::Int), ("@update_mask", mask())],
            Type::Bit,
            FunctionBody::Native(is_bit_set),
        ),
    ]
}

fn increment(arguments: &[Datum]) -> Result<Datum, SqlError> {
    Ok(stepped(arguments, true))
}

fn decrement(arguments: &[Datum]) -> Result<Datum, SqlError> {
    Ok(stepped(arguments, false))
}

/// A shorter number is one that was given without its last bytes, as `binary(10)` fills it.
fn stepped(arguments: &[Datum], up: bool) -> Datum {
    let Some(Datum::Bytes(bytes)) = arguments.first() else { return Datum::Null };
    let mut number = [0; 10];
    for (to, from) in number.iter_mut().zip(bytes) {
        *to = *from;
    }
    Datum::Bytes(lsn::step(&number, up).to_vec())
}

fn is_bit_set(arguments: &[Datum]) -> Result<Datum, SqlError> {
    Ok(match arguments {
        [Datum::Int(position), Datum::Bytes(mask)] => Datum::Bit(mask::is_set(mask, *position)),
        [_, Datum::Null] | [Datum::Null, _] => Datum::Null,
        _ => Datum::Bit(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_filled_and_counted_on() {
        let next = increment(&[Datum::Bytes(vec![0, 1])]).unwrap();
        assert_eq!(next, Datum::Bytes(vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 1]));
        assert_eq!(decrement(&[next]).unwrap(), Datum::Bytes(vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(increment(&[Datum::Null]).unwrap(), Datum::Null);
    }

    #[test]
    fn bits_are_counted_from_the_last_byte() {
        let tenth = Datum::Bytes(vec![0x02, 0x00]);
        assert_eq!(is_bit_set(&[Datum::Int(10), tenth.clone()]).unwrap(), Datum::Bit(true));
        assert_eq!(is_bit_set(&[Datum::Int(2), tenth]).unwrap(), Datum::Bit(false));
        assert_eq!(is_bit_set(&[Datum::Int(2), Datum::Null]).unwrap(), Datum::Null);
    }
}
