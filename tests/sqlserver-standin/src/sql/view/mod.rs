//! The catalogue's views: `sys` and `INFORMATION_SCHEMA`, computed from the catalogue when they are read.

mod columns;
mod databases;
mod information;
mod keys;
mod objects;
mod principals;
mod server;
mod types;
mod view_columns;

pub(crate) use self::types::{SYSNAME, type_id, type_name};
use self::view_columns::ViewColumns;
use crate::data::{Column, Datum};
use crate::sql::function::Metadata;

/// A view: what it is called, its columns and how its rows are made.
struct Definition {
    schema: &'static str,
    name: &'static str,
    columns: ViewColumns,
    rows: fn(&Metadata) -> Vec<Vec<Datum>>,
}

fn definitions() -> impl Iterator<Item = &'static Definition> {
    [
        databases::VIEWS,
        objects::VIEWS,
        columns::VIEWS,
        types::VIEWS,
        keys::VIEWS,
        principals::VIEWS,
        server::VIEWS,
        information::VIEWS,
    ]
    .into_iter()
    .flatten()
}

fn find(schema: &str, name: &str) -> Option<&'static Definition> {
    definitions().find(|view| view.schema.eq_ignore_ascii_case(schema) && view.name.eq_ignore_ascii_case(name))
}

pub(crate) fn exists(schema: &str, name: &str) -> bool {
    find(schema, name).is_some()
}

/// A view's object id: below zero, as those of the system are, and the same in every database. 0 if there is none.
pub(crate) fn object_id(schema: &str, name: &str) -> i32 {
    let place =
        definitions().position(|view| view.schema.eq_ignore_ascii_case(schema) && view.name.eq_ignore_ascii_case(name));
    place.and_then(|place| i32::try_from(place).ok()).map_or(0, |place| -385 - place)
}

/// Columns and rows of a view in the metadata's current database; none if there is no such view.
pub(crate) fn rows(schema: &str, name: &str, metadata: &Metadata) -> Option<(Vec<Column>, Vec<Vec<Datum>>)> {
    let view = find(schema, name)?;
    Some((view_columns::columns(view.columns), (view.rows)(metadata)))
}

/// The views themselves, as `sys.all_objects` lists them: schema, name and id.
fn system_views() -> impl Iterator<Item = (&'static str, &'static str, i32)> {
    definitions().zip(0..).map(|(view, place)| (view.schema, view.name, -385 - place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_found_in_any_case_and_has_an_id_of_its_own() {
        assert!(exists("SYS", "Tables") && !exists("sys", "nothing"));
        let ids: std::collections::HashSet<i32> = definitions().map(|v| object_id(v.schema, v.name)).collect();
        assert_eq!(ids.len(), definitions().count());
        assert!(ids.iter().all(|id| *id < 0));
    }

    #[test]
    fn no_database_is_no_row_and_every_view_has_names_for_its_columns() {
        let nothing = Metadata { current: 5, databases: Vec::new() };
        for view in definitions() {
            let (columns, rows) = super::rows(view.schema, view.name, &nothing).unwrap();
            let names: std::collections::HashSet<&String> = columns.iter().map(|c| &c.name).collect();
            assert_eq!(names.len(), columns.len(), "{}.{}", view.schema, view.name);
            assert!(rows.iter().all(|row| row.len() == columns.len()), "{}.{}", view.schema, view.name);
        }
    }
}
