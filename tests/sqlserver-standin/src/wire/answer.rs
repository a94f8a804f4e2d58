//! An answer as it is written: rows go out while they are made.

use std::{collections::VecDeque, io, thread, time::Duration};

use crate::{
    data::{Column, Datum, Length, SqlError, Type, collation::Case},
    faults::{self, Action, Faults, On},
    session::{Answer, Cancel, Command, EnvChange, Flow, Parameter},
};

use super::{
    bytes::{put_short_text, put_text},
    packet::MessageWriter,
    seed::Seed,
    token::{self, Done, Status},
    transport::Output,
    types::{encode::put_value, put_description},
};

/// Sent when so much has gathered.
const SEND_AT: usize = 64 * 1024;

/// The way to a client.
pub(super) struct Channel {
    pub(super) output: Output,
    pub(super) writer: MessageWriter,
    pub(super) seed: Seed,
    pub(super) cancel: Cancel,
    pub(super) faults: Faults,
    pub(super) spid: u16,
    pub(super) user: String,
    pub(super) application: String,
    /// The database in use.
    pub(super) database: String,
    pub(super) in_transaction: bool,
    /// The client takes text in UTF-8.
    pub(super) utf8: bool,
    /// Nothing can be sent any more.
    pub(super) broken: bool,
}

impl Channel {
    fn is_gone(&self) -> bool {
        self.broken || self.cancel.is_broken()
    }

    fn send_full(&mut self) {
        if !self.is_gone() {
            let sent = self.writer.send_full(&mut self.output);
            self.note(sent);
        }
    }

    /// Sends what is left of the answer.
    pub(super) fn finish(&mut self) {
        if !self.is_gone() {
            let sent = self.writer.finish(&mut self.output);
            self.note(sent);
        }
    }

    fn note(&mut self, sent: io::Result<()>) {
        if let Err(error) = sent {
            tracing::debug!(%error, "the client does not read any more");
            self.broken = true;
        }
    }

    /// Lets a fault fire, if one is set for this occasion; gives the error to answer.
    pub(super) fn meet(&mut self, on: On) -> Option<SqlError> {
        let who = faults::Session { spid: self.spid, application: &self.application, user: &self.user };
        match self.faults.meet(on, who)? {
            Action::Error(error) => return Some(error),
            Action::Stall(pause) => {
                self.send_full();
                self.wait(pause);
            }
            Action::Reset => {
                self.send_full();
                self.cancel.reset();
            }
            Action::Route { .. } => tracing::warn!("a client can be sent elsewhere only at its login"),
        }
        None
    }

    /// Waits, unless the client gives up.
    pub(super) fn wait(&self, pause: Duration) {
        const STEP: Duration = Duration::from_millis(10);
        let mut left = pause;
        while !left.is_zero() && !self.cancel.is_set() {
            let step = left.min(STEP);
            thread::sleep(step);
            left -= step;
        }
    }
}

/// The kind of a request, which decides how the ends of statements look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    Batch,
    Procedure,
}

/// How the rows of a result are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowForm {
    /// Each null where its value would be.
    Plain,
    /// The nulls first, as bits.
    NullBits,
    /// Now so, now so.
    Mixed,
}

/// The end of a statement, kept until it is known whether something follows.
struct Held {
    done: Done,
    error: bool,
    command: Command,
    rows: Option<u64>,
}

/// Writes one answer.
pub(super) struct AnswerWriter<'a> {
    channel: &'a mut Channel,
    asked: RequestKind,
    columns: Vec<(Type, bool)>,
    form: RowForm,
    held: Option<Held>,
    /// Errors since the last end of a statement.
    failed: bool,
    fatal: bool,
    /// A procedure within the batch has given its status: what ends next is the procedure.
    procedure_ended: bool,
    /// Place in the call and name of each output parameter that has not come back.
    outputs: VecDeque<(u16, String)>,
}

impl<'a> AnswerWriter<'a> {
    pub(super) fn new(channel: &'a mut Channel, asked: RequestKind) -> AnswerWriter<'a> {
        AnswerWriter {
            channel,
            asked,
            columns: Vec::new(),
            form: RowForm::Plain,
            held: None,
            failed: false,
            fatal: false,
            procedure_ended: false,
            outputs: VecDeque::new(),
        }
    }

    /// Ends a called procedure; `more` follow in the same message.
    pub(super) fn end_procedure(&mut self, more: bool) {
        self.release();
        let status = Status { more, error: self.failed, ..self.status() };
        token::put_done(&mut self.channel.writer.body, Done::Procedure, status, Command::Execute, None);
        self.failed = false;
    }

    /// What the client wants back of the call that is answered.
    pub(super) fn expect_outputs(&mut self, parameters: &[Parameter]) {
        let outputs = (0_u16..).zip(parameters).filter(|(_, parameter)| parameter.output);
        self.outputs = outputs.map(|(place, parameter)| (place, parameter.name.clone())).collect();
    }

    /// Ends a batch: what was held is the last.
    pub(super) fn end_batch(&mut self) {
        let nothing = Held { done: Done::Statement, error: self.failed, command: Command::Other, rows: None };
        let held = self.held.take().unwrap_or(nothing);
        self.put_held(&held, false);
    }

    /// Ends an answer that the client did not want any more.
    pub(super) fn end_cancelled(&mut self) {
        self.release();
        let status = Status { cancelled: true, ..self.status() };
        token::put_done(&mut self.channel.writer.body, Done::Statement, status, Command::Other, None);
    }

    /// An error was so severe that the connection ends.
    pub(super) fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// What follows is not wanted any more.
    pub(super) fn is_over(&self) -> bool {
        self.flow() == Flow::Stop
    }

    fn status(&self) -> Status {
        Status { in_transaction: self.channel.in_transaction, fatal: self.fatal, ..Status::default() }
    }

    fn put_held(&mut self, held: &Held, more: bool) {
        let status = Status { more, error: held.error, ..self.status() };
        token::put_done(&mut self.channel.writer.body, held.done, status, held.command, held.rows);
    }

    /// Something follows: what was held is written.
    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.put_held(&held, true);
        }
    }

    fn flow(&self) -> Flow {
        if self.channel.is_gone() || self.channel.cancel.is_set() { Flow::Stop } else { Flow::Continue }
    }

    /// Writes a row; false, and nothing written, if a value is not of its column's type.
    fn put_row(&mut self, values: &[Datum]) -> bool {
        let Channel { writer, seed, .. } = &mut *self.channel;
        let body = &mut writer.body;
        let at = body.len();
        let bits = match self.form {
            RowForm::Plain => false,
            RowForm::NullBits => true,
            RowForm::Mixed => seed.one_in(2),
        };
        if bits {
            body.push(0xd2);
            body.extend(values.chunks(8).map(|eight| {
                eight.iter().rev().fold(0_u8, |bits, value| (bits << 1) | u8::from(*value == Datum::Null))
            }));
        } else {
            body.push(0xd1);
        }
        let mut fits = values.len() == self.columns.len();
        for ((r#type, nullable), value) in self.columns.iter().zip(values) {
            if bits && *value == Datum::Null {
                continue;
            }
            fits &= put_value(body, r#type, *nullable, value, seed, true).is_ok();
        }
        if !fits {
            body.truncate(at);
        }
        fits
    }
}

impl Answer for AnswerWriter<'_> {
    fn columns(&mut self, columns: &[Column]) -> Flow {
        self.release();
        let utf8 = self.channel.utf8;
        self.columns = columns.iter().map(|column| (for_client(&column.r#type, utf8), column.nullable)).collect();
        put_columns(&mut self.channel.writer.body, columns, &self.columns, &self.channel.database);
        self.form = match self.channel.seed.up_to(2) {
            0 => RowForm::Plain,
            1 => RowForm::NullBits,
            _ => RowForm::Mixed,
        };
        self.flow()
    }

    fn order(&mut self, ordinals: &[u16]) {
        token::put_order(&mut self.channel.writer.body, ordinals);
    }

    fn row(&mut self, values: &[Datum]) -> Flow {
        if let Some(error) = self.channel.meet(On::Row) {
            self.error(&error);
            return Flow::Stop;
        }
        if !self.put_row(values) {
            tracing::error!(?values, columns = ?self.columns, "a row that does not fit its columns");
            self.error(&SqlError::new(8152, 16, 10, "String or binary data would be truncated."));
            return Flow::Stop;
        }
        if self.channel.writer.body.len() >= SEND_AT {
            self.channel.send_full();
        }
        self.flow()
    }

    fn done(&mut self, rows: Option<u64>, command: Command) {
        self.release();
        let done = match self.asked {
            RequestKind::Batch if self.procedure_ended || command == Command::Execute => Done::Procedure,
            RequestKind::Batch => Done::Statement,
            RequestKind::Procedure => Done::InProcedure,
        };
        self.procedure_ended = false;
        self.held = Some(Held { done, error: self.failed, command, rows });
        self.failed = false;
    }

    fn info(&mut self, message: &SqlError) {
        self.release();
        token::put_info(&mut self.channel.writer.body, message);
        // Messages of a long batch are shown while it runs.
        if self.channel.writer.body.len() >= SEND_AT {
            self.channel.send_full();
        }
    }

    fn error(&mut self, error: &SqlError) {
        self.release();
        token::put_error(&mut self.channel.writer.body, error);
        self.failed = true;
        self.fatal |= error.class >= 20;
    }

    fn env(&mut self, change: &EnvChange) {
        self.release();
        let out = &mut self.channel.writer.body;
        match change {
            EnvChange::Database { from, to } => {
                token::put_database(out, to, from);
                self.channel.database.clone_from(to);
            }
            EnvChange::Language { from, to } => token::put_language(out, to, from),
            EnvChange::Began(transaction) => {
                token::put_begun(out, *transaction);
                self.channel.in_transaction = true;
            }
            EnvChange::Committed(transaction) => {
                token::put_committed(out, *transaction);
                self.channel.in_transaction = false;
            }
            EnvChange::RolledBack(transaction) => {
                token::put_rolled_back(out, *transaction);
                self.channel.in_transaction = false;
            }
        }
    }

    fn return_status(&mut self, status: i32) {
        self.release();
        token::put_return_status(&mut self.channel.writer.body, status);
        self.procedure_ended = self.asked == RequestKind::Batch;
    }

    fn return_value(&mut self, name: &str, r#type: &Type, value: &Datum) {
        self.release();
        let r#type = &for_client(r#type, self.channel.utf8);
        let Channel { writer, seed, database, .. } = &mut *self.channel;
        let out = &mut writer.body;
        let at = out.len();
        let (place, sent) = self.outputs.pop_front().unwrap_or_else(|| (0, name.to_owned()));
        out.push(0xac);
        out.extend_from_slice(&place.to_le_bytes());
        put_short_text(out, &sent);
        out.push(1);
        out.extend_from_slice(&[0; 6]);
        put_description(out, r#type, true, database);
        if put_value(out, r#type, true, value, seed, false).is_err() {
            out.truncate(at);
            tracing::error!(name, ?r#type, ?value, "an output parameter that does not fit its type");
            self.error(&SqlError::new(8114, 16, 5, "Error converting data type of an output parameter."));
        }
    }
}

/// The type as a client takes it: one that has not said that it takes UTF-8 gets such text as UTF-16, under the column's
/// own collation, which is what SQL Server 2022 was seen to do.
fn for_client(r#type: &Type, utf8: bool) -> Type {
    /// Units of the longest nvarchar that is not `max`.
    const LONGEST: u16 = 4000;
    match r#type.clone() {
        Type::Char { length, collation } if !utf8 && collation.is_utf8() => {
            let length = if length > LONGEST { Length::Max } else { Length::Limited(length) };
            Type::NVarChar { length, collation }
        }
        Type::VarChar { length, collation } if !utf8 && collation.is_utf8() => {
            let fits = matches!(length, Length::Limited(units) if units <= LONGEST);
            Type::NVarChar { length: if fits { length } else { Length::Max }, collation }
        }
        Type::Text { collation } if !utf8 && collation.is_utf8() => Type::NText { collation },
        other => other,
    }
}

fn put_columns(out: &mut Vec<u8>, columns: &[Column], types: &[(Type, bool)], database: &str) {
    const ROW_VERSION: u32 = 80;
    out.push(0x81);
    out.extend_from_slice(&(columns.len() as u16).to_le_bytes());
    for (column, (r#type, nullable)) in columns.iter().zip(types) {
        let user_type = if column.r#type == Type::RowVersion { ROW_VERSION } else { 0 };
        out.extend_from_slice(&user_type.to_le_bytes());
        out.extend_from_slice(&flags(column).to_le_bytes());
        put_description(out, r#type, *nullable, database);
        if column.r#type.is_legacy_large() {
            put_table(out, &column.table);
        }
        put_short_text(out, &column.name);
    }
}

/// The table of a column, in its parts; of an expression one that is empty, because clients do not take none.
fn put_table(out: &mut Vec<u8>, parts: &[String]) {
    out.push(parts.len().max(1) as u8);
    if parts.is_empty() {
        put_text(out, "");
    }
    for part in parts {
        put_text(out, part);
    }
}

fn flags(column: &Column) -> u16 {
    let case_sensitive = column.r#type.collation().is_some_and(|collation| collation.case() != Case::Insensitive);
    let mut bits = 0;
    for (bit, set) in [
        (0x01, column.nullable),
        (0x02, case_sensitive),
        // Whether it can be written is not known before it is tried.
        (0x08, column.updatable),
        (0x10, column.identity),
        (0x20, column.computed),
    ] {
        bits |= if set { bit } else { 0 };
    }
    bits
}
