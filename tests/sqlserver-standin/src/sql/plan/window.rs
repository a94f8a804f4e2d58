//! Functions with `OVER`.

use crate::data::{SqlError, Type};
use crate::sql::parse::ast::{Bound as FrameBound, Call, Frame, Window};
use crate::sql::{errors, types};

use super::aggregate::is_aggregate;
use super::{Binder, Bound};

const RANKING: [&str; 10] = [
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "NTILE",
    "LAG",
    "LEAD",
    "FIRST_VALUE",
    "LAST_VALUE",
    "PERCENT_RANK",
    "CUME_DIST",
];

/// Functions that make sense only over a window.
pub(super) fn is_ranking(name: &str) -> bool {
    RANKING.contains(&name)
}

impl Binder<'_> {
    pub(super) fn windowed(&mut self, name: &str, call: &Call, window: &Window) -> Result<Bound, SqlError> {
        let inner = if is_aggregate(name) {
            let was = self.set_free(true);
            let bound = self.aggregate_call(name, call);
            self.set_free(was);
            bound?
        } else if is_ranking(name) {
            if window.order.is_empty() {
                return Err(SqlError::new(
                    4112,
                    15,
                    1,
                    format!("The function '{}' must have an OVER clause with ORDER BY.", call.name.object),
                ));
            }
            self.ranking(name, call)?
        } else {
            return Err(errors::syntax_near("OVER"));
        };
        let over = self.over(window)?;
        // The form of our aggregate that rows can leave again.
        let function = inner.sql.strip_prefix("fa(").map_or_else(|| inner.sql.clone(), |rest| format!("fw({rest}"));
        Ok(Bound { sql: format!("{function} OVER ({over})"), ..inner })
    }

    fn ranking(&mut self, name: &str, call: &Call) -> Result<Bound, SqlError> {
        let function = name.to_lowercase();
        let arguments: Vec<_> = call.arguments.iter().map(|argument| self.value(argument)).collect::<Result<_, _>>()?;
        match (name, arguments.as_slice()) {
            ("ROW_NUMBER" | "RANK" | "DENSE_RANK", []) => Ok(Bound::new(format!("{function}()"), Type::BigInt, false)),
            ("PERCENT_RANK" | "CUME_DIST", []) => Ok(Bound::new(format!("{function}()"), Type::Float, false)),
            ("NTILE", [tiles]) => {
                let tiles = self.in_type(tiles, &Type::BigInt)?;
                Ok(Bound::new(format!("ntile({tiles})"), Type::BigInt, false))
            }
            ("LAG" | "LEAD", [value, rest @ ..]) if rest.len() <= 2 => {
                let offset = match rest.first() {
                    Some(offset) => self.in_type(offset, &Type::Int)?,
                    None => "1".to_owned(),
                };
                let otherwise = match rest.get(1) {
                    Some(otherwise) => self.in_type(otherwise, &value.r#type)?,
                    None => "NULL".to_owned(),
                };
                Ok(Bound::new(format!("{function}({}, {offset}, {otherwise})", value.sql), value.r#type.clone(), true))
            }
            ("FIRST_VALUE" | "LAST_VALUE", [value]) => {
                Ok(Bound::new(format!("{function}({})", value.sql), value.r#type.clone(), true))
            }
            _ => Err(errors::argument_count(&function, usize::from(types::is_number(&Type::Int)))),
        }
    }

    fn over(&mut self, window: &Window) -> Result<String, SqlError> {
        let mut parts = Vec::new();
        if !window.partition.is_empty() {
            let partition: Vec<_> = window
                .partition
                .iter()
                .map(|expr| self.value(expr).map(|bound| Self::sortable(&bound)))
                .collect::<Result<_, _>>()?;
            parts.push(format!("PARTITION BY {}", partition.join(", ")));
        }
        if !window.order.is_empty() {
            let order: Vec<_> = window
                .order
                .iter()
                .map(|item| {
                    let bound = self.value(&item.expr)?;
                    Ok(format!("{}{}", Self::sortable(&bound), if item.descending { " DESC" } else { "" }))
                })
                .collect::<Result<_, SqlError>>()?;
            parts.push(format!("ORDER BY {}", order.join(", ")));
        }
        if let Some(frame) = &window.frame {
            parts.push(frame_text(frame));
        }
        Ok(parts.join(" "))
    }
}

fn frame_text(frame: &Frame) -> String {
    let unit = if frame.rows { "ROWS" } else { "RANGE" };
    match &frame.end {
        Some(end) => format!("{unit} BETWEEN {} AND {}", bound_text(frame.start), bound_text(*end)),
        None => format!("{unit} {}", bound_text(frame.start)),
    }
}

fn bound_text(bound: FrameBound) -> String {
    match bound {
        FrameBound::UnboundedPreceding => "UNBOUNDED PRECEDING".to_owned(),
        FrameBound::Preceding(rows) => format!("{rows} PRECEDING"),
        FrameBound::CurrentRow => "CURRENT ROW".to_owned(),
        FrameBound::Following(rows) => format!("{rows} FOLLOWING"),
        FrameBound::UnboundedFollowing => "UNBOUNDED FOLLOWING".to_owned(),
    }
}
