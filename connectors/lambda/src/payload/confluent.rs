use tributary_api::{Datum, Record, Result, json};

use super::{place, put, put_datum, put_text, raw};

/// `{"payload":{"timestamp":..,"topic":..,"partition":..,"offset":..,"key":..,"value":..}}`
pub(super) fn write(record: &Record, escaped: bool, to: &mut Vec<u8>) -> Result<()> {
    let (_, partition, offset) = place(record)?;
    raw(to, r#"{"payload":{"timestamp":"#);
    put(to, &record.timestamp)?;
    raw(to, r#","topic":"#);
    put(to, &*record.topic)?;
    put_text(to, format_args!(r#","partition":{partition},"offset":{offset},"key":"#));
    let write = if escaped { put_escaped } else { put_datum };
    write(to, &record.key)?;
    raw(to, r#","value":"#);
    write(to, &record.value)?;
    raw(to, "}}");
    Ok(())
}

/// Text that holds JSON; null stays null.
fn put_escaped(to: &mut Vec<u8>, datum: &Datum) -> Result<()> {
    if datum.value.is_null() {
        return put(to, &());
    }
    let text = String::from_utf8_lossy(&json::to_vec(&datum.value)?).into_owned();
    put(to, &text)
}
