use fancy_regex::Regex;
use tributary_api::{Error, Result};

use crate::table::TableId;

/// Which tables are captured, by regular expressions that must match the whole name `schema.table`.
#[derive(Clone, Debug)]
pub(crate) struct TableFilter {
    include: Patterns,
    exclude: Patterns,
    ignore_builtin: bool,
    /// The tables by which signals come: they are captured whatever the lists say.
    signals: Vec<TableId>,
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
            signals: Vec::new(),
        })
    }

    /// The same with the tables by which signals come.
    pub(super) fn with(self, signals: &[TableId]) -> Self {
        Self { signals: signals.to_vec(), ..self }
    }

    /// Whether changes of the table are captured.
    pub(crate) fn captures(&self, id: &TableId) -> Result<bool> {
        if !self.knows(id) {
            return Ok(false);
        }
        let name = id.in_database();
        let is_same = |signals: &TableId| signals.to_string().eq_ignore_ascii_case(&id.to_string());
        if self.signals.iter().any(is_same) {
            return Ok(true);
        }
        Ok((self.include.is_empty() || self.include.fit(&name)?) && !self.exclude.fit(&name)?)
    }

    /// Keeps what belongs to captured tables.
    pub(crate) fn captured<T>(&self, all: impl IntoIterator<Item = T>, id: impl Fn(&T) -> &TableId) -> Result<Vec<T>> {
        let captured = all.into_iter().map(|one| Ok(self.captures(id(&one))?.then_some(one)));
        captured.filter_map(Result::transpose).collect()
    }

    /// Whether the table could be captured: the schema history keeps the structure of such tables.
    pub(crate) fn knows(&self, id: &TableId) -> bool {
        let builtin =
            BUILTIN_SCHEMAS.contains(&&*id.schema.to_lowercase()) || BUILTIN_TABLES.contains(&&*id.name.to_lowercase());
        !(self.ignore_builtin && builtin)
    }

    /// Sorts tables into the order in which they are read: by the elements of the include list, and by name within an
    /// element.
    pub(crate) fn in_order(&self, tables: impl IntoIterator<Item = TableId>) -> Result<Vec<TableId>> {
        // A table by which signals come need not be on the list.
        let place = |id: TableId| Ok((self.include.place(&id.in_database())?.unwrap_or(usize::MAX), id));
        let mut tables: Vec<_> = tables.into_iter().map(place).collect::<Result<_>>()?;
        tables.sort();
        Ok(tables.into_iter().map(|(_, id)| id).collect())
    }
}

/// The regular expressions of a property.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns {
    property: String,
    each: Vec<Regex>,
}

impl Patterns {
    pub(crate) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Whether one of them matches the whole name. One that takes too many steps is an error: it must not decide whether a
    /// table or a column is captured.
    pub(crate) fn fit(&self, name: &str) -> Result<bool> {
        Ok(self.place(name)?.is_some())
    }

    /// The first one that matches.
    fn place(&self, name: &str) -> Result<Option<usize>> {
        for (place, pattern) in self.each.iter().enumerate() {
            let fits = pattern.is_match(name).map_err(|error| {
                let Self { property, .. } = self;
                let message = format!(
                    "{property} has a regular expression that takes too long for the name {name:?}: {pattern}; write it \
                     without lookaround and backreferences, or without repetitions within repetitions"
                );
                Error::config_at(property, message).cause(&error)
            })?;
            if fits {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// The elements of a list, separated by commas. `\,` is a comma within an element.
pub(crate) fn patterns(property: &str, list: Option<&str>) -> Result<Patterns> {
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
    let each = elements.map(|element| pattern(property, element)).collect::<Result<_>>()?;
    Ok(Patterns { property: property.to_owned(), each })
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
        assert!(filter.captures(&id("dbo", "Orders")).unwrap());
        assert!(!filter.captures(&id("dbo", "orders_old")).unwrap());
        assert!(filter.captures(&id("dbo", "t12")).unwrap());
        assert!(!filter.captures(&id("dbo", "t123")).unwrap());
    }

    #[test]
    fn what_is_excluded_and_what_the_server_made_is_not_captured() {
        let filter = TableFilter::new(None, Some("dbo.secret.*"), true).unwrap();
        assert!(filter.captures(&id("dbo", "orders")).unwrap());
        assert!(!filter.captures(&id("dbo", "secrets")).unwrap());
        assert!(!filter.captures(&id("cdc", "dbo_orders_CT")).unwrap());
        assert!(!filter.captures(&id("dbo", "systranschemas")).unwrap());
    }

    #[test]
    fn tables_are_read_in_the_order_of_the_list() {
        let filter = TableFilter::new(Some("dbo.z,dbo.[ab]"), None, true).unwrap();
        let ordered = filter.in_order([id("dbo", "b"), id("dbo", "z"), id("dbo", "a")]).unwrap();
        assert_eq!(ordered, [id("dbo", "z"), id("dbo", "a"), id("dbo", "b")]);
    }

    #[test]
    fn a_pattern_that_takes_too_long_is_an_error() {
        let endless = Some(r"(a|a)*(?=b)(a|a)*\.t");
        for (include, exclude) in [(endless, None), (None, endless)] {
            let filter = TableFilter::new(include, exclude, true).unwrap();
            let error = filter.captures(&id(&"a".repeat(60), "t")).unwrap_err();
            let property = if include.is_some() { "table.include.list" } else { "table.exclude.list" };
            assert_eq!(error.property(), Some(property), "{error}");
            assert!(error.to_string().contains("takes too long"), "{error}");
        }
    }

    #[test]
    fn a_table_of_signals_is_captured_whatever_the_lists_say_and_comes_last() {
        let filter = TableFilter::new(Some("dbo.z"), Some("dbo.a"), true).unwrap().with(&[id("DBO", "a")]);
        assert!(filter.captures(&id("dbo", "a")).unwrap() && !filter.captures(&id("dbo", "b")).unwrap());
        let ordered = filter.in_order([id("dbo", "a"), id("dbo", "z")]).unwrap();
        assert_eq!(ordered, [id("dbo", "z"), id("dbo", "a")]);
    }

    #[test]
    fn an_invalid_pattern_names_its_property() {
        let error = TableFilter::new(Some("dbo.("), None, true).unwrap_err();
        assert_eq!(error.property(), Some("table.include.list"));
    }
}
