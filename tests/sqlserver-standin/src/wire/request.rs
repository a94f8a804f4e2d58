//! What clients ask: batches, procedures, transactions.

use crate::session::{Isolation, Parameter, TransactionRequest};

use super::{
    bytes::{Malformed, Source, utf16},
    types::{decode, described},
};

/// The text of a batch.
pub(super) fn batch(message: &[u8]) -> Result<String, Malformed> {
    let mut source = Source::new(message);
    source.skip_headers()?;
    Ok(utf16(source.rest()))
}

/// A call of a procedure.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) procedure: String,
    pub(super) parameters: Vec<Parameter>,
}

/// The separator between two calls of one message.
const NEXT_CALL: u8 = 0xff;
const NEXT_CALL_NOT_RUN: u8 = 0xfe;
/// In place of a name's length: a number follows.
const NUMBERED: u16 = 0xffff;

/// The calls of a message, in order.
pub(super) fn calls(message: &[u8]) -> Result<Vec<Call>, Malformed> {
    let mut source = Source::new(message);
    source.skip_headers()?;
    let mut calls = Vec::new();
    loop {
        calls.push(call(&mut source)?);
        if source.is_empty() {
            return Ok(calls);
        }
        source.u8()?;
        if source.is_empty() {
            return Ok(calls);
        }
    }
}

fn call(source: &mut Source<'_>) -> Result<Call, Malformed> {
    let procedure = match source.u16()? {
        NUMBERED => numbered(source.u16()?)?.to_owned(),
        units => source.utf16(usize::from(units))?,
    };
    source.u16()?;
    let mut parameters = Vec::new();
    while source.peek().is_some_and(|byte| byte != NEXT_CALL && byte != NEXT_CALL_NOT_RUN) {
        parameters.push(parameter(source)?);
    }
    Ok(Call { procedure, parameters })
}

/// The procedures that have numbers.
fn numbered(number: u16) -> Result<&'static str, Malformed> {
    Ok(match number {
        1 => "sp_cursor",
        2 => "sp_cursoropen",
        3 => "sp_cursorprepare",
        4 => "sp_cursorexecute",
        5 => "sp_cursorprepexec",
        6 => "sp_cursorunprepare",
        7 => "sp_cursorfetch",
        8 => "sp_cursoroption",
        9 => "sp_cursorclose",
        10 => "sp_executesql",
        11 => "sp_prepare",
        12 => "sp_execute",
        13 => "sp_prepexec",
        14 => "sp_prepexecrpc",
        15 => "sp_unprepare",
        _ => return Err(Malformed("a procedure of no known number")),
    })
}

fn parameter(source: &mut Source<'_>) -> Result<Parameter, Malformed> {
    const OUTPUT: u8 = 0x01;
    const DEFAULT: u8 = 0x02;
    const ENCRYPTED: u8 = 0x08;
    let name = source.short_text()?;
    let status = source.u8()?;
    if status & ENCRYPTED != 0 {
        return Err(Malformed("encrypted parameters are not supported"));
    }
    let number = source.peek().ok_or(Malformed("a parameter without a type"))?;
    let (r#type, never_null) = described(source)?;
    let value = if decode::is_void(number) {
        crate::data::Datum::Null
    } else if decode::is_old(number) {
        decode::old_value(source, &r#type)?
    } else {
        decode::value(source, &r#type, never_null)?
    };
    Ok(Parameter { name, r#type, value, output: status & OUTPUT != 0, default: status & DEFAULT != 0 })
}

/// A request about the transaction.
pub(super) fn transaction(message: &[u8]) -> Result<TransactionRequest, Malformed> {
    const BEGIN: u16 = 5;
    const COMMIT: u16 = 7;
    const ROLLBACK: u16 = 8;
    const SAVE: u16 = 9;
    let mut source = Source::new(message);
    source.skip_headers()?;
    match source.u16()? {
        BEGIN => begin(&mut source),
        COMMIT => {
            let name = name(&mut source)?;
            Ok(TransactionRequest::Commit { name, then: then(&mut source)? })
        }
        ROLLBACK => {
            let name = name(&mut source)?;
            Ok(TransactionRequest::Rollback { name, then: then(&mut source)? })
        }
        SAVE => Ok(TransactionRequest::Save { name: name(&mut source)? }),
        _ => Err(Malformed("distributed transactions are not supported")),
    }
}

fn begin(source: &mut Source<'_>) -> Result<TransactionRequest, Malformed> {
    let isolation = match source.u8()? {
        0 => None,
        1 => Some(Isolation::ReadUncommitted),
        2 => Some(Isolation::ReadCommitted),
        3 => Some(Isolation::RepeatableRead),
        4 => Some(Isolation::Serializable),
        5 => Some(Isolation::Snapshot),
        _ => return Err(Malformed("an isolation level of no known number")),
    };
    Ok(TransactionRequest::Begin { isolation, name: name(source)? })
}

/// A transaction's name; its length is given in bytes.
fn name(source: &mut Source<'_>) -> Result<String, Malformed> {
    if source.is_empty() {
        return Ok(String::new());
    }
    let bytes = source.u8()?;
    source.take(usize::from(bytes)).map(utf16)
}

fn then(source: &mut Source<'_>) -> Result<Option<Box<TransactionRequest>>, Malformed> {
    const BEGIN_NEXT: u8 = 0x01;
    if source.is_empty() || source.u8()? & BEGIN_NEXT == 0 {
        return Ok(None);
    }
    begin(source).map(|next| Some(Box::new(next)))
}
