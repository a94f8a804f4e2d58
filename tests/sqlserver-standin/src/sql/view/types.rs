//! `sys.types`.

use super::Definition;
use super::objects::{SYS, catalog, schema_id};
use super::view_columns::{Kind, NULL, SET, bit, int, maybe, text, tiny};
use crate::data::{Collation, Datum, Length, Type, Udt};
use crate::sql::catalog::Alias;
use crate::sql::function::Metadata;
use crate::sql::types;

/// `user_type_id` of `sysname`, which is another name of `nvarchar(128)`.
pub(crate) const SYSNAME: i32 = 256;

pub(super) const VIEWS: &[Definition] = &[Definition {
    schema: "sys",
    name: "types",
    columns: &[
        ("name", Kind::Name, SET),
        ("system_type_id", Kind::Tiny, SET),
        ("user_type_id", Kind::Int, SET),
        ("schema_id", Kind::Int, SET),
        ("principal_id", Kind::Int, NULL),
        ("max_length", Kind::Small, SET),
        ("precision", Kind::Tiny, SET),
        ("scale", Kind::Tiny, SET),
        ("collation_name", Kind::Name, NULL),
        ("is_nullable", Kind::Bit, NULL),
        ("is_user_defined", Kind::Bit, SET),
        ("is_assembly_type", Kind::Bit, SET),
        ("default_object_id", Kind::Int, SET),
        ("rule_object_id", Kind::Int, SET),
        ("is_table_type", Kind::Bit, SET),
    ],
    rows,
}];

/// Every type at its longest, as the view shows it.
fn all() -> Vec<Type> {
    let collation = Collation::DEFAULT;
    let length = Length::Limited(8000);
    let mut types = vec![
        Type::Image,
        Type::Text { collation },
        Type::UniqueIdentifier,
        Type::Date,
        Type::Time { scale: 7 },
        Type::DateTime2 { scale: 7 },
        Type::DateTimeOffset { scale: 7 },
        Type::TinyInt,
        Type::SmallInt,
        Type::Int,
        Type::SmallDateTime,
        Type::Real,
        Type::Money,
        Type::DateTime,
        Type::Float,
        Type::Variant,
        Type::NText { collation },
        Type::Bit,
        Type::Decimal { precision: 38, scale: 38 },
        Type::Numeric { precision: 38, scale: 38 },
        Type::SmallMoney,
        Type::BigInt,
        Type::VarBinary { length },
        Type::VarChar { length, collation },
        Type::Binary { length: 8000 },
        Type::Char { length: 8000, collation },
        Type::RowVersion,
        Type::NVarChar { length: Length::Limited(4000), collation },
        Type::NChar { length: 4000, collation },
        Type::Xml,
    ];
    types.extend([Udt::HierarchyId, Udt::Geometry, Udt::Geography].map(Type::Udt));
    types
}

pub(super) fn user_type_id(r#type: &Type) -> i32 {
    match r#type {
        Type::Udt(Udt::HierarchyId) => 128,
        Type::Udt(Udt::Geometry) => 129,
        Type::Udt(Udt::Geography) => 130,
        other => i32::from(types::system_type_id(other)),
    }
}

/// `TYPE_ID`: the `user_type_id` of a type.
pub(crate) fn type_id(name: &str) -> Option<i32> {
    if name.eq_ignore_ascii_case("sysname") {
        return Some(SYSNAME);
    }
    let wanted = if name.eq_ignore_ascii_case("rowversion") { "timestamp" } else { name };
    all().iter().find(|r#type| types::name(r#type).eq_ignore_ascii_case(wanted)).map(user_type_id)
}

/// `TYPE_NAME`
pub(crate) fn type_name(id: i32) -> Option<&'static str> {
    if id == SYSNAME {
        return Some("sysname");
    }
    all().iter().find(|r#type| user_type_id(r#type) == id).map(types::name)
}

fn row(name: &str, (id, schema): (i32, i32), r#type: &Type, nullable: bool) -> Vec<Datum> {
    let (precision, scale) = types::precision_and_scale(r#type);
    vec![
        text(name),
        tiny(types::system_type_id(r#type)),
        int(id),
        int(schema),
        Datum::Null,
        Datum::SmallInt(types::max_length(r#type)),
        tiny(precision),
        tiny(scale),
        maybe(r#type.collation().map(Collation::name)),
        bit(nullable),
        bit(schema != SYS),
        bit(matches!(r#type, Type::Udt(_))),
        int(0),
        int(0),
        bit(false),
    ]
}

fn rows(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let row_of =
        |r#type: &Type| row(types::name(r#type), (user_type_id(r#type), SYS), r#type, *r#type != Type::RowVersion);
    let mut rows: Vec<_> = all().iter().map(row_of).collect();
    let sysname = Type::NVarChar { length: Length::Limited(128), collation: Collation::DEFAULT };
    rows.push(row("sysname", (SYSNAME, SYS), &sysname, false));
    if let Some(catalog) = catalog(metadata) {
        let of = |alias: &Alias| {
            row(&alias.name, (alias.id, schema_id(catalog, &alias.schema)), &alias.r#type, alias.nullable)
        };
        rows.extend(catalog.aliases.values().map(|alias| of(alias)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_belong_together() {
        for r#type in all() {
            let id = type_id(types::name(&r#type)).unwrap();
            assert_eq!(type_name(id), Some(types::name(&r#type)));
        }
        assert_eq!((type_id("SysName"), type_id("rowversion"), type_id("nothing")), (Some(256), Some(189), None));
    }
}
