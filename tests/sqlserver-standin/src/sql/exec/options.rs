//! What `SET` sets.

use crate::session::Isolation;
use crate::sql::value::time::DateOrder;

#[derive(Debug, Clone)]
pub(crate) struct SetOptions {
    pub(crate) no_count: bool,
    pub(crate) xact_abort: bool,
    pub(crate) implicit_transactions: bool,
    pub(crate) quoted_identifier: bool,
    pub(crate) ansi_nulls: bool,
    pub(crate) arith_abort: bool,
    pub(crate) fmt_only: bool,
    pub(crate) no_exec: bool,
    pub(crate) parse_only: bool,
    pub(crate) date_order: DateOrder,
    /// 1 is Monday.
    pub(crate) date_first: i32,
    /// Milliseconds; -1: no limit.
    pub(crate) lock_timeout: i64,
    pub(crate) isolation: Isolation,
}

impl Default for SetOptions {
    fn default() -> Self {
        Self {
            no_count: false,
            xact_abort: false,
            implicit_transactions: false,
            quoted_identifier: true,
            ansi_nulls: true,
            arith_abort: true,
            fmt_only: false,
            no_exec: false,
            parse_only: false,
            date_order: DateOrder::default(),
            date_first: 7,
            lock_timeout: -1,
            isolation: Isolation::ReadCommitted,
        }
    }
}

impl SetOptions {
    /// Turns an option on or off. Those that are not kept change nothing that the stand-in does.
    pub(crate) fn set(&mut self, name: &str, on: bool) {
        match name {
            "NOCOUNT" => self.no_count = on,
            "XACT_ABORT" => self.xact_abort = on,
            "IMPLICIT_TRANSACTIONS" => self.implicit_transactions = on,
            "QUOTED_IDENTIFIER" => self.quoted_identifier = on,
            "ANSI_NULLS" => self.ansi_nulls = on,
            "ARITHABORT" => self.arith_abort = on,
            "FMTONLY" => self.fmt_only = on,
            "NOEXEC" => self.no_exec = on,
            "PARSEONLY" => self.parse_only = on,
            "ANSI_DEFAULTS" => {
                self.quoted_identifier = on;
                self.ansi_nulls = on;
                self.implicit_transactions = on;
            }
            _ => {}
        }
    }

    /// An option of `SESSIONPROPERTY`.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        Some(match name.to_ascii_uppercase().as_str() {
            "ANSI_NULLS" => self.ansi_nulls,
            "QUOTED_IDENTIFIER" => self.quoted_identifier,
            "ARITHABORT" => self.arith_abort,
            "ANSI_PADDING" | "ANSI_WARNINGS" | "CONCAT_NULL_YIELDS_NULL" => true,
            "NUMERIC_ROUNDABORT" => false,
            _ => return None,
        })
    }

    /// `@@OPTIONS`.
    pub(crate) fn bits(&self) -> i64 {
        let flags = [
            (self.implicit_transactions, 2),
            (self.ansi_nulls, 32),
            (self.arith_abort, 64),
            (self.quoted_identifier, 256),
            (self.no_count, 512),
            (self.xact_abort, 16384),
        ];
        // ANSI_WARNINGS, ANSI_PADDING and CONCAT_NULL_YIELDS_NULL are always on.
        flags.iter().filter(|(on, _)| *on).map(|(_, bit)| bit).sum::<i64>() + 8 + 16 + 4096
    }
}
