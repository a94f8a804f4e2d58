//! The procedures in which clients ask for the catalogue: `sp_tables`, `sp_columns_100` and their like.

mod arguments;
mod columns;
mod indexes;
mod objects;

use super::function::{DatabaseMetadata, Metadata};
use super::types;
use crate::data::{Collation, Column, Datum, SqlError, Type};
use arguments::Arguments;

/// What such a procedure answers.
pub(super) type Rows = (Vec<Column>, Vec<Vec<Datum>>);

type Answer = fn(&Arguments, &DatabaseMetadata, &Metadata) -> Rows;

/// The rows of a procedure of this name, in lower case; none if it is not one of these.
///
/// Arguments have their names, in lower case with `@`, or none when they are given by place.
pub(crate) fn rows(name: &str, arguments: &[(String, Datum)], metadata: &Metadata) -> Option<Result<Rows, SqlError>> {
    let (parameters, answer): (&[&str], Answer) = match name {
        "sp_tables" => {
            (&["@table_name", "@table_owner", "@table_qualifier", "@table_type", "@fusepattern"], objects::tables)
        }
        "sp_databases" => (&[], objects::databases),
        "sp_columns" => (COLUMNS, columns::columns),
        "sp_columns_100" => (COLUMNS_100, columns::columns_100),
        "sp_pkeys" => (&["@table_name", "@table_owner", "@table_qualifier"], indexes::primary_keys),
        "sp_statistics" | "sp_statistics_100" => (STATISTICS, indexes::statistics),
        "sp_special_columns" | "sp_special_columns_100" => (SPECIAL, indexes::special_columns),
        _ => return None,
    };
    let database = metadata.databases.iter().find(|database| database.id == metadata.current)?;
    let arguments = match Arguments::new(name, parameters, arguments) {
        Ok(arguments) => arguments,
        Err(error) => return Some(Err(error)),
    };
    if arguments.text("@table_qualifier").is_some_and(|qualifier| !qualifier.eq_ignore_ascii_case(&database.name)) {
        let message = "The database name component of the object qualifier must be the name of the current database.";
        return Some(Err(SqlError::new(15250, 16, 1, message)));
    }
    Some(Ok(answer(&arguments, database, metadata)))
}

const COLUMNS: &[&str] = &["@table_name", "@table_owner", "@table_qualifier", "@column_name", "@odbcver"];
const COLUMNS_100: &[&str] =
    &["@table_name", "@table_owner", "@table_qualifier", "@column_name", "@namescope", "@odbcver", "@fusepattern"];
const STATISTICS: &[&str] =
    &["@table_name", "@table_owner", "@table_qualifier", "@index_name", "@is_unique", "@accuracy"];
const SPECIAL: &[&str] =
    &["@table_name", "@table_owner", "@table_qualifier", "@col_type", "@scope", "@nullable", "@odbcver"];

fn sysname(name: &str) -> Column {
    Column::new(name, types::text_of(true, Some(128), Collation::DEFAULT))
}

fn varchar(name: &str, length: u16) -> Column {
    Column::new(name, types::text_of(false, Some(length), Collation::DEFAULT))
}

fn column(name: &str, kind: Type) -> Column {
    Column::new(name, kind)
}

fn text(text: &str) -> Datum {
    Datum::Text(text.to_owned())
}
