use crate::table::TableId;

/// A name in brackets, for use in a statement.
pub(crate) fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// A table's full name, each part in brackets.
pub(crate) fn quoted_table(id: &TableId) -> String {
    format!("{}.{}.{}", quoted(&id.database), quoted(&id.schema), quoted(&id.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_in_a_name_does_not_end_it() {
        assert_eq!(quoted("odd ]name["), "[odd ]]name[]");
    }
}
