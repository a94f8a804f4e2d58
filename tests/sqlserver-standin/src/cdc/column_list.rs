//! The list of columns that are to be captured.

use super::{Layout, LayoutColumn, enable::error};
use crate::data::SqlError;

/// The columns that every change table has beside the captured ones.
const RESERVED: &[&str] =
    &["__$start_lsn", "__$end_lsn", "__$seqval", "__$operation", "__$update_mask", "__$command_id"];

/// The columns of the list, or all, in the table's order.
pub(super) fn captured_columns(
    layout: &Layout,
    list: Option<&str>,
    schema: &str,
    table: &str,
) -> Result<Vec<LayoutColumn>, SqlError> {
    let captured: Vec<LayoutColumn> = match list {
        None => layout.columns.clone(),
        Some(list) => {
            let names = split_names(list)?;
            let is_column = |name: &String| layout.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
            if let Some(unknown) = names.iter().find(|name| !is_column(name)) {
                return Err(error(
                    22930,
                    format!(
                        "Could not locate '{unknown}' as a column of source table '{schema}.{table}'. Specify a valid column \
                         name."
                    ),
                ));
            }
            let wanted = |c: &&LayoutColumn| names.iter().any(|name| name.eq_ignore_ascii_case(&c.name));
            layout.columns.iter().filter(wanted).cloned().collect()
        }
    };
    if captured.iter().any(|c| RESERVED.iter().any(|name| c.name.eq_ignore_ascii_case(name))) {
        return Err(error(
            22975,
            format!(
                "Source table '{schema}.{table}' contains one of the following reserved column names: __$start_lsn, \
                 __$end_lsn, __$seqval, __$operation, and __$update_mask. To enable Change Data Capture for this table, \
                 specify a captured column list and ensure that these columns are excluded from the list."
            ),
        ));
    }
    Ok(captured)
}

/// Names that commas separate, quoted by brackets or quotation marks or not at all.
fn split_names(list: &str) -> Result<Vec<String>, SqlError> {
    let mut names = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let close = match rest.chars().next() {
            Some('[') => Some(']'),
            Some('"') => Some('"'),
            _ => None,
        };
        let name;
        (name, rest) = match close {
            Some(close) => quoted_name(&rest[1..], close)?,
            None => {
                let (name, rest) = rest.split_once(',').map_or((rest, ""), |(name, _)| (name, &rest[name.len()..]));
                (name.trim().to_owned(), rest)
            }
        };
        names.push(name);
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Ok(names)
}

/// The name up to the closing sign, and the text after it. A doubled closing sign is part of the name.
fn quoted_name(text: &str, close: char) -> Result<(String, &str), SqlError> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == close && chars.next_if(|(_, next)| *next == close).is_none() {
            return Ok((name, &text[at + c.len_utf8()..]));
        }
        name.push(c);
    }
    Err(error(
        22965,
        "A quoted column in the column list is not properly terminated. Verify that columns are correctly delimited and retry \
         the operation. For more information, see 'Delimited Identifiers' in Books Online.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_columns_may_be_quoted() {
        let names = split_names(" id , [a ]] b],\"c, \"\"d\" ,e").unwrap();
        assert_eq!(names, ["id", "a ] b", "c, \"d", "e"]);
        assert_eq!(split_names("[id").map_err(|e| e.number), Err(22965));
        assert_eq!(split_names("").unwrap(), [""; 0]);
    }
}
