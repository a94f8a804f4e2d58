//! Functions of the catalogue: ids of names, names of ids, properties.

use std::sync::Arc;

use super::string::same_name;
use super::system::{flag, id};
use super::{Call, Signature, int, text};
use crate::data::{Collation, Datum, SqlError, Type, Variant};
use crate::sql::catalog::{Catalog, IndexKind, PrincipalKind, Table};
use crate::sql::exec::DatabaseOptions;
use crate::sql::plan::Binder;
use crate::sql::{parse, types};

/// The catalogues that a statement's functions look into.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) current: i32,
    pub(crate) databases: Vec<DatabaseMetadata>,
}

#[derive(Debug)]
pub(crate) struct DatabaseMetadata {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) collation: Collation,
    pub(crate) options: DatabaseOptions,
    pub(crate) catalog: Arc<Catalog>,
    /// Whether the login may use it.
    pub(crate) accessible: bool,
}

impl Metadata {
    fn by_id(&self, wanted: i32) -> Option<&DatabaseMetadata> {
        self.databases.iter().find(|database| database.id == wanted)
    }

    fn by_name(&self, name: &str) -> Option<&DatabaseMetadata> {
        self.databases.iter().find(|database| same_name(&database.name, name))
    }

    fn current(&self) -> Option<&DatabaseMetadata> {
        self.by_id(self.current)
    }

    /// The database that an optional argument names by its id.
    fn chosen(&self, argument: Option<&Datum>) -> Option<&DatabaseMetadata> {
        match argument {
            None => self.current(),
            Some(argument) => id(argument).and_then(|wanted| self.by_id(wanted)),
        }
    }

    /// Schema and name of an object of any kind.
    fn object(&self, database: Option<&DatabaseMetadata>, wanted: i32) -> Option<(String, String)> {
        let catalog = &database?.catalog;
        if let Some(table) = catalog.tables.get(&wanted) {
            return Some((table.schema.clone(), table.name.clone()));
        }
        if let Some(view) = catalog.views.get(&wanted) {
            return Some((view.schema.clone(), view.name.clone()));
        }
        catalog.tables.values().find_map(|table| constraint(table, wanted).map(|name| (table.schema.clone(), name)))
    }

    fn object_id(&self, written: &str, kind: Option<&str>) -> Option<i32> {
        let name = parse::object_name(written).ok()?;
        let database = match &name.database {
            Some(database) => self.by_name(database)?,
            None => self.current()?,
        };
        let schema = name.schema.as_deref().unwrap_or("dbo");
        let catalog = &database.catalog;
        let wanted = |letter: &str| kind.is_none_or(|kind| kind.trim().eq_ignore_ascii_case(letter));
        if let Some(table) = catalog.table(schema, &name.object).filter(|_| wanted("U")) {
            return Some(table.id);
        }
        if let Some(view) = catalog.view(schema, &name.object).filter(|_| wanted("V")) {
            return Some(view.id);
        }
        if crate::sql::view::exists(schema, &name.object) && (wanted("V") || wanted("S")) {
            return Some(crate::sql::view::object_id(schema, &name.object));
        }
        let tables = catalog.tables.values().filter(|table| same_name(&table.schema, schema));
        tables.into_iter().find_map(|table| constraint_id(table, &name.object, kind))
    }

    fn table(&self, argument: &Datum) -> Option<&Arc<Table>> {
        self.current()?.catalog.tables.get(&id(argument)?)
    }

    fn table_named(&self, written: &str) -> Option<&Arc<Table>> {
        self.current()?.catalog.tables.get(&self.object_id(written, None)?)
    }
}

fn constraint(table: &Table, wanted: i32) -> Option<String> {
    let keys = table.indexes.iter().filter(|index| index.object_id != 0).map(|index| (index.object_id, &index.name));
    let checks = table.checks.iter().map(|check| (check.id, &check.name));
    let foreign = table.foreign_keys.iter().map(|key| (key.id, &key.name));
    let defaults =
        table.columns.iter().filter_map(|column| column.default.as_ref()).map(|default| (default.id, &default.name));
    keys.chain(checks).chain(foreign).chain(defaults).find(|(found, _)| *found == wanted).map(|(_, name)| name.clone())
}

fn constraint_id(table: &Table, name: &str, kind: Option<&str>) -> Option<i32> {
    let wanted = |letters: &str| kind.is_none_or(|kind| kind.trim().eq_ignore_ascii_case(letters));
    let key = table.indexes.iter().find(|index| {
        let letters = if index.kind == IndexKind::PrimaryKey { "PK" } else { "UQ" };
        index.object_id != 0 && same_name(&index.name, name) && wanted(letters)
    });
    let check = || table.checks.iter().find(|check| same_name(&check.name, name) && wanted("C")).map(|check| check.id);
    let foreign = || table.foreign_keys.iter().find(|key| same_name(&key.name, name) && wanted("F")).map(|key| key.id);
    let default = || {
        let mut defaults = table.columns.iter().filter_map(|column| column.default.as_ref());
        defaults.find(|default| same_name(&default.name, name) && wanted("D")).map(|default| default.id)
    };
    key.map(|index| index.object_id).or_else(check).or_else(foreign).or_else(default)
}

const NAMES: [&str; 32] = [
    "DB_ID",
    "DB_NAME",
    "OBJECT_ID",
    "OBJECT_NAME",
    "OBJECT_SCHEMA_NAME",
    "OBJECT_DEFINITION",
    "SCHEMA_ID",
    "SCHEMA_NAME",
    "COL_NAME",
    "COL_LENGTH",
    "COLUMNPROPERTY",
    "OBJECTPROPERTY",
    "OBJECTPROPERTYEX",
    "TYPE_ID",
    "TYPE_NAME",
    "USER_NAME",
    "USER_ID",
    "DATABASE_PRINCIPAL_ID",
    "DATABASEPROPERTYEX",
    "DATABASEPROPERTY",
    "HAS_DBACCESS",
    "HAS_PERMS_BY_NAME",
    "IS_MEMBER",
    "IS_ROLEMEMBER",
    "INDEX_COL",
    "INDEXPROPERTY",
    "IDENT_SEED",
    "IDENT_INCR",
    "SUSER_ID",
    "SUSER_SID",
    "FILEGROUP_NAME",
    "FILEGROUP_ID",
];

pub(super) fn resolve(call: &Call<'_>, binder: &mut Binder<'_>) -> Result<Option<Signature>, SqlError> {
    if !NAMES.contains(&call.name) {
        return Ok(None);
    }
    let database = binder.database.clone();
    let metadata = binder.core.metadata(&database)?;
    let (sysname, wide) = (call.sysname(), call.nvarchar(4000));
    let count = call.arguments.len();
    let m = Arc::clone(&metadata);
    Ok(Some(match call.name {
        "DB_ID" => {
            call.count(0..=1)?;
            let find = move |v: &[Datum]| {
                Ok(match v.first() {
                    None => m.current(),
                    Some(name) => m.by_name(text(name)),
                }
                .map_or(Datum::Null, |database| Datum::Int(database.id)))
            };
            Signature::strict(vec![sysname; count], Type::Int, find)
        }
        "DB_NAME" => {
            call.count(0..=1)?;
            let find = move |v: &[Datum]| {
                Ok(m.chosen(v.first()).map_or(Datum::Null, |database| Datum::Text(database.name.clone())))
            };
            Signature::strict(vec![Type::Int; count], sysname, find)
        }
        "OBJECT_ID" => {
            call.count(1..=2)?;
            let find =
                move |v: &[Datum]| Ok(m.object_id(text(&v[0]), v.get(1).map(text)).map_or(Datum::Null, Datum::Int));
            Signature::strict(vec![wide, sysname][..count].to_vec(), Type::Int, find)
        }
        "OBJECT_NAME" | "OBJECT_SCHEMA_NAME" => {
            call.count(1..=2)?;
            let schema = call.name == "OBJECT_SCHEMA_NAME";
            let find = move |v: &[Datum]| {
                let found = id(&v[0]).and_then(|wanted| m.object(m.chosen(v.get(1)), wanted));
                Ok(found.map_or(Datum::Null, |(owner, name)| Datum::Text(if schema { owner } else { name })))
            };
            Signature::strict(vec![Type::Int; count], sysname, find)
        }
        "OBJECT_DEFINITION" => {
            call.count(1..=1)?;
            let find = move |v: &[Datum]| {
                let view = id(&v[0]).and_then(|wanted| m.current()?.catalog.views.get(&wanted).cloned());
                Ok(view.map_or(Datum::Null, |view| Datum::Text(view.text.clone())))
            };
            Signature::strict(vec![Type::Int], types::text_of(true, None, call.collation), find)
        }
        "SCHEMA_ID" => {
            call.count(0..=1)?;
            let find = move |v: &[Datum]| {
                let name = v.first().map_or("dbo", text);
                Ok(m.current()
                    .and_then(|database| database.catalog.schema(name))
                    .map_or(Datum::Null, |schema| Datum::Int(schema.id)))
            };
            Signature::strict(vec![sysname; count], Type::Int, find)
        }
        "SCHEMA_NAME" => {
            call.count(0..=1)?;
            let find = move |v: &[Datum]| {
                let wanted = v.first().map_or(Some(1), id);
                let schema = wanted.and_then(|wanted| m.current()?.catalog.schemas.get(&wanted).cloned());
                Ok(schema.map_or(Datum::Null, |schema| Datum::Text(schema.name.clone())))
            };
            Signature::strict(vec![Type::Int; count], sysname, find)
        }
        "COL_NAME" => {
            call.count(2..=2)?;
            let find = move |v: &[Datum]| {
                let column = m.table(&v[0]).and_then(|table| table.column_by_id(id(&v[1])?));
                Ok(column.map_or(Datum::Null, |column| Datum::Text(column.name.clone())))
            };
            Signature::strict(vec![Type::Int; 2], sysname, find)
        }
        "COL_LENGTH" => {
            call.count(2..=2)?;
            let find = move |v: &[Datum]| {
                let column = m.table_named(text(&v[0])).and_then(|table| table.column(text(&v[1])));
                Ok(column.map_or(Datum::Null, |column| Datum::SmallInt(types::max_length(&column.r#type))))
            };
            Signature::strict(vec![wide, sysname], Type::SmallInt, find)
        }
        "COLUMNPROPERTY" => {
            call.count(3..=3)?;
            let find = move |v: &[Datum]| {
                Ok(m.table(&v[0]).map_or(Datum::Null, |table| column_property(table, text(&v[1]), text(&v[2]))))
            };
            Signature::strict(vec![Type::Int, sysname.clone(), sysname], Type::Int, find)
        }
        "OBJECTPROPERTY" | "OBJECTPROPERTYEX" => {
            call.count(2..=2)?;
            let find = move |v: &[Datum]| Ok(object_property(&m, id(&v[0]).unwrap_or(0), text(&v[1])));
            Signature::strict(vec![Type::Int, sysname], Type::Int, find)
        }
        "TYPE_ID" => {
            call.count(1..=1)?;
            let find = move |v: &[Datum]| {
                let full = text(&v[0]);
                let name = full.rsplit('.').next().unwrap_or_default().trim_matches(['[', ']']);
                let alias = || m.current()?.catalog.alias(name).map(|alias| alias.id);
                Ok(crate::sql::view::type_id(name).or_else(alias).map_or(Datum::Null, Datum::Int))
            };
            Signature::strict(vec![sysname], Type::Int, find)
        }
        "TYPE_NAME" => {
            call.count(1..=1)?;
            let find = move |v: &[Datum]| {
                let Some(wanted) = id(&v[0]) else { return Ok(Datum::Null) };
                let alias = || m.current()?.catalog.aliases.get(&wanted).map(|alias| alias.name.clone());
                let own = crate::sql::view::type_name(wanted).map(str::to_owned);
                Ok(own.or_else(alias).map_or(Datum::Null, Datum::Text))
            };
            Signature::strict(vec![Type::Int], sysname, find)
        }
        "USER_NAME" => {
            call.count(0..=1)?;
            let own = binder.core.user_name(&database);
            let find = move |v: &[Datum]| {
                let Some(wanted) = v.first() else { return Ok(Datum::Text(own.clone())) };
                let principal = id(wanted).and_then(|wanted| m.current()?.catalog.principals.get(&wanted).cloned());
                Ok(principal.map_or(Datum::Null, |principal| Datum::Text(principal.name.clone())))
            };
            Signature::strict(vec![Type::Int; count], sysname, find)
        }
        "USER_ID" | "DATABASE_PRINCIPAL_ID" => {
            call.count(0..=1)?;
            let own = binder.core.user_name(&database);
            let find = move |v: &[Datum]| {
                let name = v.first().map_or(own.as_str(), text);
                Ok(m.current()
                    .and_then(|database| database.catalog.principal(name))
                    .map_or(Datum::Null, |principal| Datum::Int(principal.id)))
            };
            Signature::strict(vec![sysname; count], Type::Int, find)
        }
        "DATABASEPROPERTYEX" | "DATABASEPROPERTY" => {
            call.count(2..=2)?;
            let find = move |v: &[Datum]| {
                Ok(m.by_name(text(&v[0])).map_or(Datum::Null, |database| database_property(database, text(&v[1]))))
            };
            Signature::strict(vec![sysname.clone(), sysname], Type::Variant, find)
        }
        "HAS_DBACCESS" => {
            call.count(1..=1)?;
            let find =
                move |v: &[Datum]| Ok(m.by_name(text(&v[0])).map_or(Datum::Null, |database| flag(database.accessible)));
            Signature::strict(vec![sysname], Type::Int, find)
        }
        "IS_MEMBER" | "IS_ROLEMEMBER" => {
            call.count(1..=2)?;
            let roles = binder.core.roles_in(&database)?;
            let find = move |v: &[Datum]| {
                let known = m.current().and_then(|database| database.catalog.principal(text(&v[0])));
                Ok(known.map_or(Datum::Null, |role| {
                    flag(role.kind == PrincipalKind::Role && roles.iter().any(|name| same_name(name, &role.name)))
                }))
            };
            Signature::strict(vec![sysname; count], Type::Int, find)
        }
        "HAS_PERMS_BY_NAME" => {
            call.count(3..=5)?;
            let allowed = binder.core.is_owner_in(&database)?;
            let find = move |v: &[Datum]| {
                let known =
                    v[0] == Datum::Null || m.by_name(text(&v[0])).is_some() || m.object_id(text(&v[0]), None).is_some();
                Ok(flag(known && allowed))
            };
            Signature::lenient(vec![wide; count], Type::Int, find)
        }
        "INDEX_COL" => {
            call.count(3..=3)?;
            let find = move |v: &[Datum]| {
                let column = m.table_named(text(&v[0])).and_then(|table| {
                    let index = table.indexes.iter().find(|index| Some(index.id) == id(&v[1]))?;
                    let place = usize::try_from(int(&v[2]) - 1).ok()?;
                    table.column_by_id(index.columns.get(place)?.0)
                });
                Ok(column.map_or(Datum::Null, |column| Datum::Text(column.name.clone())))
            };
            Signature::strict(vec![wide, Type::Int, Type::Int], sysname, find)
        }
        "INDEXPROPERTY" => {
            call.count(3..=3)?;
            let find = move |v: &[Datum]| {
                let index = m
                    .table(&v[0])
                    .and_then(|table| table.indexes.iter().find(|index| same_name(&index.name, text(&v[1]))));
                Ok(index.map_or(Datum::Null, |index| match text(&v[2]).to_ascii_lowercase().as_str() {
                    "isunique" => flag(index.unique),
                    "isclustered" => flag(index.clustered),
                    "indexid" => Datum::Int(index.id),
                    "isdisabled" | "ishypothetical" | "isstatistics" | "isautostatistics" => flag(false),
                    _ => Datum::Null,
                }))
            };
            Signature::strict(vec![Type::Int, sysname.clone(), sysname], Type::Int, find)
        }
        "IDENT_SEED" | "IDENT_INCR" => {
            call.count(1..=1)?;
            let seed = call.name == "IDENT_SEED";
            let find = move |v: &[Datum]| {
                let identity = m
                    .table_named(text(&v[0]))
                    .and_then(|table| table.columns.iter().find_map(|column| column.identity));
                Ok(identity.map_or(Datum::Null, |(first, step)| {
                    crate::sql::value::number::decimal(i128::from(if seed { first } else { step }), 38, 0)
                }))
            };
            Signature::strict(vec![wide], Type::Numeric { precision: 38, scale: 0 }, find)
        }
        "SUSER_ID" => Signature { arguments: vec![sysname; count], ..Signature::fixed(Type::Int, Datum::Int(1)) },
        "SUSER_SID" => {
            let kind = Type::VarBinary { length: crate::data::Length::Limited(85) };
            Signature { arguments: vec![sysname; count], ..Signature::fixed(kind, Datum::Bytes(vec![1])) }
        }
        "FILEGROUP_NAME" => {
            call.count(1..=1)?;
            let find = |v: &[Datum]| Ok(if int(&v[0]) == 1 { Datum::Text("PRIMARY".to_owned()) } else { Datum::Null });
            Signature::strict(vec![Type::Int], sysname, find)
        }
        "FILEGROUP_ID" => {
            call.count(1..=1)?;
            let find = |v: &[Datum]| Ok(if same_name(text(&v[0]), "PRIMARY") { Datum::Int(1) } else { Datum::Null });
            Signature::strict(vec![sysname], Type::Int, find)
        }
        _ => return Ok(None),
    }))
}

fn column_property(table: &Table, column: &str, property: &str) -> Datum {
    let Some(column) = table.column(column) else { return Datum::Null };
    let (precision, scale) = types::precision_and_scale(&column.r#type);
    match property.to_ascii_lowercase().as_str() {
        "allowsnull" => flag(column.nullable),
        "isidentity" => flag(column.identity.is_some()),
        "iscomputed" => flag(column.computed.is_some()),
        "isrowguidcol" => flag(column.rowguidcol),
        "columnid" | "ordinal" => Datum::Int(column.id),
        "precision" => match types::size(&column.r#type) {
            Some(size) if types::is_text(&column.r#type) || types::is_binary(&column.r#type) => {
                Datum::Int(i32::from(size))
            }
            _ => Datum::Int(i32::from(precision)),
        },
        "scale" => Datum::Int(i32::from(scale)),
        "charmaxlen" => match types::size(&column.r#type) {
            Some(size) => Datum::Int(i32::from(size)),
            None if types::is_text(&column.r#type) || types::is_binary(&column.r#type) => Datum::Int(-1),
            None => Datum::Null,
        },
        "isdeterministic"
        | "isprecise"
        | "issparse"
        | "iscolumnset"
        | "isidnotforrepl"
        | "ishidden"
        | "generatedalwaystype" => flag(false),
        "usesansitrim" => flag(true),
        _ => Datum::Null,
    }
}

fn object_property(metadata: &Metadata, wanted: i32, property: &str) -> Datum {
    let Some(database) = metadata.current() else { return Datum::Null };
    let property = property.to_ascii_lowercase();
    let table = database.catalog.tables.get(&wanted);
    let view = database.catalog.views.get(&wanted);
    if table.is_none() && view.is_none() && metadata.object(Some(database), wanted).is_none() {
        return Datum::Null;
    }
    let identity = || table.is_some_and(|table| table.columns.iter().any(|column| column.identity.is_some()));
    match property.as_str() {
        "istable" | "isusertable" => flag(table.is_some()),
        "isview" => flag(view.is_some()),
        "ismsshipped" => flag(table.is_some_and(|table| table.shipped)),
        "tablehasprimarykey" => flag(table.is_some_and(|table| table.primary_key().is_some())),
        "tablehasidentity" => flag(identity()),
        "tablehasclustindex" => flag(table.is_some_and(|table| table.indexes.iter().any(|index| index.clustered))),
        "tablehasindex" => flag(table.is_some_and(|table| !table.indexes.is_empty())),
        "isprocedure" | "istrigger" | "isscalarfunction" | "istablefunction" | "isdefault" | "isrule" => flag(false),
        "isprimarykey" => flag(
            database
                .catalog
                .tables
                .values()
                .flat_map(|table| &table.indexes)
                .any(|index| index.object_id == wanted && index.kind == IndexKind::PrimaryKey),
        ),
        "isconstraint" => flag(table.is_none() && view.is_none()),
        "ownerid" | "schemaid" => Datum::Int(1),
        _ => Datum::Null,
    }
}

fn database_property(database: &DatabaseMetadata, property: &str) -> Datum {
    let wide = |value: &str| {
        let kind = types::text_of(true, Some(128), Collation::DEFAULT);
        Datum::Variant(Box::new(Variant { r#type: kind, value: Datum::Text(value.to_owned()) }))
    };
    let number = |value: i32| Datum::Variant(Box::new(Variant { r#type: Type::Int, value: Datum::Int(value) }));
    match property.to_ascii_lowercase().as_str() {
        "collation" => wide(database.collation.name()),
        "status" => wide("ONLINE"),
        "updateability" => wide(if database.options.read_only { "READ_ONLY" } else { "READ_WRITE" }),
        "useraccess" => wide("MULTI_USER"),
        "recovery" => wide(&database.options.recovery),
        "version" => number(957),
        "edition" => wide("Developer"),
        "isautoclose" | "isautoshrink" | "isinstandby" | "issyncwithbackup" | "isfulltextenabled" | "ispublished" => {
            number(0)
        }
        "isansinullsenabled" | "isquotedidentifiersenabled" | "isautocreatestatistics" | "isautoupdatestatistics" => {
            number(1)
        }
        _ => Datum::Null,
    }
}
