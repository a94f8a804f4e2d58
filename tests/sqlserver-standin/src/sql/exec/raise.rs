//! Errors that a batch raises itself, and which errors end it.

use super::core::Core;
use super::frame::Frame;
use super::run::Step;
use crate::data::{Datum, SqlError};
use crate::session::Answer;
use crate::sql::parse::ast::Expr;
use crate::sql::value::number::Number;

impl Core {
    #[expect(clippy::too_many_arguments, reason = "each is another thing that it needs")]
    pub(super) fn raise_error(
        &mut self,
        message: &Expr,
        severity: &Expr,
        state: &Expr,
        arguments: &[Expr],
        frame: &Frame,
        answer: &mut dyn Answer,
    ) -> Result<Step, SqlError> {
        let (value, _) = self.value_of(message, frame)?;
        let (number, text) = match value {
            Datum::Text(text) => (50_000, text),
            other => match Number::of(&other).and_then(Number::truncated) {
                Some(number) => (
                    i32::try_from(number).unwrap_or(50_000),
                    format!(
                        "Error {number}, severity {}, state {} was raised, but no message with that error number was found in sys.messages.",
                        self.int_of(severity, frame)?,
                        self.int_of(state, frame)?
                    ),
                ),
                None => (50_000, String::new()),
            },
        };
        let arguments: Vec<String> =
            arguments.iter().map(|argument| self.text_of(argument, frame)).collect::<Result<_, _>>()?;
        let (severity, state) = (self.int_of(severity, frame)?, self.int_of(state, frame)?);
        let error = SqlError::new(
            number,
            u8::try_from(severity.clamp(0, 25)).unwrap_or(16),
            u8::try_from(state.clamp(1, 255)).unwrap_or(1),
            filled(&text, &arguments),
        );
        if severity > 10 {
            return Err(error);
        }
        answer.info(&error);
        Ok(Step::Next)
    }

    pub(super) fn thrown(&mut self, thrown: Option<&(Expr, Expr, Expr)>, frame: &Frame) -> Result<SqlError, SqlError> {
        match thrown {
            Some((number, message, state)) => {
                let (number, message, state) = (self.int_of(number, frame)?, self.text_of(message, frame)?, self.int_of(state, frame)?);
                Ok(SqlError::new(number, 16, u8::try_from(state.clamp(0, 255)).unwrap_or(1), message))
            }
            None => Ok(frame.caught.clone().unwrap_or_else(|| SqlError::new(10_704, 15, 1, "To rethrow an error, a THROW statement must be used inside a CATCH block. Insert the THROW statement inside a CATCH block, or add error parameters to the THROW statement."))),
        }
    }
}

/// `%s` and `%d` in turn.
fn filled(text: &str, arguments: &[String]) -> String {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('s' | 'd' | 'i' | 'u') => out.push_str(arguments.next().map_or("(null)", String::as_str)),
            Some('%') => out.push('%'),
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
    }
    out
}

/// Most errors end their statement only; these end the batch.
pub(super) fn aborts_batch(error: &SqlError) -> bool {
    error.class >= 17
        || matches!(
            error.number,
            102 | 105
                | 107
                | 113
                | 116
                | 117
                | 120
                | 121
                | 137
                | 139
                | 141
                | 147
                | 156
                | 191
                | 195
                | 206
                | 207
                | 208
                | 209
                | 213
                | 241
                | 242
                | 245
                | 257
                | 402
                | 529
                | 1205
                | 3930
                | 3952
                | 3960
                | 4104
                | 4121
                | 4145
                | 8114
                | 8117
                | 8120
                | 8155
                | 8156
                | 8169
        )
        || (error.class == 15 && error.number != 137)
}
