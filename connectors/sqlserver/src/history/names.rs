use crate::table::TableId;

/// `"db"."schema"."table"`, each with its quotes doubled.
pub(crate) fn quoted_id(id: &TableId) -> String {
    let part = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    format!("{}.{}.{}", part(&id.database), part(&id.schema), part(&id.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_are_doubled() {
        let id = TableId { database: "a\"b".into(), schema: "dbo".into(), name: "x.y".into() };
        assert_eq!(quoted_id(&id), "\"a\"\"b\".\"dbo\".\"x.y\"");
    }
}
