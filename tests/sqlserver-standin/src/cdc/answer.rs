//! What a procedure answers.

use super::ProcedureContext;
use crate::{
    data::{Column, Datum, SqlError},
    session::{Command, Flow},
};

/// A result set.
pub(super) fn answer_rows(cx: &mut dyn ProcedureContext, columns: &[Column], rows: &[Vec<Datum>]) {
    let answer = cx.answer();
    if answer.columns(columns) == Flow::Stop {
        return;
    }
    for row in rows {
        if answer.row(row) == Flow::Stop {
            return;
        }
    }
    answer.done(u64::try_from(rows.len()).ok(), Command::Select);
}

/// A message that is no error.
pub(super) fn say(cx: &mut dyn ProcedureContext, message: impl Into<String>) {
    cx.answer().info(&SqlError::new(0, 0, 1, message));
}
