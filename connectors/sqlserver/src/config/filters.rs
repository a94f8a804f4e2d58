use fancy_regex::Regex;
use tributary_api::{Error, Result};

use crate::table::TableId;

/// Which tables are captured, by regular expressions that must match the whole name `schema.table`.
#[derive(Clone, Debug)]
pub(crate) struct TableFilter {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
    ignore_builtin: bool,
}

/// Tables that SQL Server's own tools create.
const BUILTIN_TABLES: [&str; 1] = ["systranschemas"];
const BUILTIN_SCHEMAS: [&str; 2] = ["cdc", "sys"];

impl TableFilter {
    pub(crate) fn new(include: Option<&str>, exclude: Option<&str>, ignore_builtin: bool) -> Result<Self> {
        Ok(Self {
            include: patterns("table.include.list", include)?,
            exclude: patterns("table.exclude.list", exclude)?,
            ignore_builtin,
        })
    }

    /// Whether changes of the table are captured.
    pub(crate) fn captures(&self, id: &TableId) -> bool {
        let name = id.in_database();
        let one_of = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(&name).unwrap_or(false));
        self.knows(id) && (self.include.is_empty() || one_of(&self.include)) && !one_of(&self.exclude)
    }

    /// Whether the table could be captured: the schema history keeps the structure of such tables.
    pub(crate) fn knows(&self, id: &TableId) -> bool {
        let builtin =
            BUILTIN_SCHEMAS.contains(&&*id.schema.to_lowercase()) || BUILTIN_TABLES.contains(&&*id.name.to_lowercase());
        !(self.ignore_builtin && builtin)
    }

    /// Sorts tables into the order in which they are read: by the elements of the include list, and by name within an
    /// element.
    pub(crate) fn in_order(&self, tables: impl IntoIterator<Item = TableId>) -> Vec<TableId> {
        let place = |id: &TableId| {
            let name = id.in_database();
            self.include.iter().position(|pattern| pattern.is_match(&name).unwrap_or(false))
        };
        let mut tables: Vec<_> = tables.into_iter().map(|id| (place(&id), id)).collect();
        tables.sort();
        tables.into_iter().map(|(_, id)| id).collect()
    }
}

/// The elements of a list, separated by commas. `\,` is a comma within an element.
pub(crate) fn patterns(property: &str, list: Option<&str>) -> Result<Vec<Regex>> {
    let mut elements = vec![String::new()];
    let mut characters = list.unwrap_or_default().chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek(), elements.last_mut()) {
            ('\\', Some(','), Some(element)) => {
                element.push(',');
                characters.next();
            }
            (',', ..) => elements.push(String::new()),
            (c, _, Some(element)) => element.push(c),
            _ => {}
        }
    }
    let elements = elements.iter().map(|element| element.trim()).filter(|element| !element.is_empty());
    elements.map(|element| pattern(property, element)).collect()
}

fn pattern(property: &str, element: &str) -> Result<Regex> {
    Regex::new(&format!("^(?i:{element})$")).map_err(|error| {
        Error::config_at(property, format!("{property} has {element:?}, which is not a regular expression"))
            .cause(&error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(schema: &str, name: &str) -> TableId {
        TableId { database: "shop".into(), schema: schema.into(), name: name.into() }
    }

    #[test]
    fn a_pattern_has_to_fit_the_whole_name_in_any_case() {
        let filter = TableFilter::new(Some("DBO.orders, dbo\\.t.{1\\,2}"), None, true).unwrap();
        assert!(filter.captures(&id("dbo", "Orders")));
        assert!(!filter.captures(&id("dbo", "orders_old")));
        assert!(filter.captures(&id("dbo", "t12")));
        assert!(!filter.captures(&id("dbo", "t123")));
    }

    #[test]
    fn what_is_excluded_and_what_the_server_made_is_not_captured() {
        let filter = TableFilter::new(None, Some("dbo.secret.*"), true).unwrap();
        assert!(filter.captures(&id("dbo", "orders")));
        assert!(!filter.captures(&id("dbo", "secrets")));
        assert!(!filter.captures(&id("cdc", "dbo_orders_CT")));
        assert!(!filter.captures(&id("dbo", "systranschemas")));
    }

    #[test]
    fn tables_are_read_in_the_order_of_the_list() {
        let filter = TableFilter::new(Some("dbo.z,dbo.[ab]"), None, true).unwrap();
        let ordered = filter.in_order([id("dbo", "b"), id("dbo", "z"), id("dbo", "a")]);
        assert_eq!(ordered, [id("dbo", "z"), id("dbo", "a"), id("dbo", "b")]);
    }

    #[test]
    fn an_invalid_pattern_names_its_property() {
        let error = TableFilter::new(Some("dbo.("), None, true).unwrap_err();
        assert_eq!(error.property(), Some("table.include.list"));
    }
}
