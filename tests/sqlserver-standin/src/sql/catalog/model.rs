//! The catalogue of one database, as it is held in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name::Folded;
use crate::cdc::{Layout, LayoutColumn};
use crate::data::Type;

/// A database's catalogue as of one version of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    pub(crate) version: i64,
    pub(crate) schemas: BTreeMap<i32, Arc<Schema>>,
    pub(crate) tables: BTreeMap<i32, Arc<Table>>,
    pub(crate) views: BTreeMap<i32, Arc<View>>,
    pub(crate) aliases: BTreeMap<i32, Arc<Alias>>,
    pub(crate) principals: BTreeMap<i32, Arc<Principal>>,
    pub(crate) permissions: Vec<Arc<Permission>>,
    /// The last object id that was given away.
    pub(crate) last_id: i32,
    names: HashMap<(Folded, Folded), i32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Schema {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) owner: i32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) id: i32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) checks: Vec<Check>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// The last column id that was given away: none is used twice.
    pub(crate) last_column_id: i32,
    pub(crate) last_index_id: i32,
    pub(crate) shipped: bool,
    /// Whether changes of its rows are passed to change data capture.
    pub(crate) tracked: bool,
    /// Three-hundredths of a second since 1900, as `datetime` is stored.
    pub(crate) created: i64,
    pub(crate) modified: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TableColumn {
    pub(crate) id: i32,
    pub(crate) name: String,
    #[serde(with = "type_text")]
    pub(crate) r#type: Type,
    /// The alias type that it was declared with: `user_type_id` and name.
    pub(crate) alias: Option<(i32, String)>,
    pub(crate) nullable: bool,
    /// Seed and increment.
    pub(crate) identity: Option<(i64, i64)>,
    pub(crate) default: Option<ColumnDefault>,
    pub(crate) computed: Option<Computed>,
    pub(crate) rowguidcol: bool,
}

/// Another name of a type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// `user_type_id`
    pub(crate) id: i32,
    pub(crate) schema: String,
    pub(crate) name: String,
    #[serde(with = "type_text")]
    pub(crate) r#type: Type,
    /// Whether a column of it may be null that does not say so itself.
    pub(crate) nullable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ColumnDefault {
    pub(crate) id: i32,
    pub(crate) name: String,
    /// T-SQL, in its parentheses.
    pub(crate) text: String,
    pub(crate) system_named: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Computed {
    /// T-SQL, in its parentheses.
    pub(crate) text: String,
    pub(crate) persisted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IndexKind {
    Index,
    PrimaryKey,
    UniqueConstraint,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Index {
    /// 1 for the clustered one, from 2 for the others.
    pub(crate) id: i32,
    /// Of the constraint; 0 for a plain index.
    pub(crate) object_id: i32,
    pub(crate) name: String,
    pub(crate) kind: IndexKind,
    pub(crate) unique: bool,
    pub(crate) clustered: bool,
    /// Column id and whether it is descending.
    pub(crate) columns: Vec<(i32, bool)>,
    pub(crate) included: Vec<i32>,
    pub(crate) filter: Option<String>,
    pub(crate) system_named: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) text: String,
    /// The column that it was written at, 0 for the table.
    pub(crate) column: i32,
    pub(crate) system_named: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ForeignKey {
    pub(crate) id: i32,
    pub(crate) name: String,
    /// Column ids here and there, in pairs.
    pub(crate) columns: Vec<(i32, i32)>,
    pub(crate) referenced: i32,
    pub(crate) cascade: bool,
    pub(crate) system_named: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) id: i32,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// The whole `CREATE VIEW`.
    pub(crate) text: String,
    pub(crate) created: i64,
    pub(crate) modified: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PrincipalKind {
    User,
    Role,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Principal {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) kind: PrincipalKind,
    /// The login that a user belongs to.
    pub(crate) login: Option<String>,
    pub(crate) schema: String,
    /// Roles that it is a member of, by id.
    pub(crate) roles: Vec<i32>,
    pub(crate) fixed: bool,
}

/// A right that was granted or denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Permission {
    pub(crate) principal: i32,
    /// `SELECT`, `VIEW DATABASE STATE`, ...
    pub(crate) name: String,
    pub(crate) on: PermissionOn,
    pub(crate) denied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PermissionOn {
    Database,
    Schema(i32),
    Object(i32),
}

/// A type in the catalogue's file is its text.
mod type_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::data::Type;
    use crate::sql::types;

    pub(super) fn serialize<S: Serializer>(kind: &Type, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&types::full_text(kind))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Type, D::Error> {
        let text = String::deserialize(from)?;
        types::from_full_text(&text).ok_or_else(|| D::Error::custom(format!("no type is called {text}")))
    }
}

impl Catalog {
    /// Looks up the names anew, after its parts were changed.
    pub(crate) fn index(&mut self) {
        let tables = self.tables.values().map(|table| (&table.schema, &table.name, table.id));
        let views = self.views.values().map(|view| (&view.schema, &view.name, view.id));
        self.names =
            tables.chain(views).map(|(schema, name, id)| ((Folded::new(schema), Folded::new(name)), id)).collect();
    }

    pub(crate) fn object_id(&self, schema: &str, name: &str) -> Option<i32> {
        self.names.get(&(Folded::new(schema), Folded::new(name))).copied()
    }

    pub(crate) fn table(&self, schema: &str, name: &str) -> Option<&Arc<Table>> {
        self.object_id(schema, name).and_then(|id| self.tables.get(&id))
    }

    pub(crate) fn view(&self, schema: &str, name: &str) -> Option<&Arc<View>> {
        self.object_id(schema, name).and_then(|id| self.views.get(&id))
    }

    /// Types of one name in two schemas are not told apart.
    pub(crate) fn alias(&self, name: &str) -> Option<&Arc<Alias>> {
        let wanted = Folded::new(name);
        self.aliases.values().find(|alias| Folded::new(&alias.name) == wanted)
    }

    pub(crate) fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        let wanted = Folded::new(name);
        self.schemas.values().find(|schema| Folded::new(&schema.name) == wanted)
    }

    pub(crate) fn principal(&self, name: &str) -> Option<&Arc<Principal>> {
        let wanted = Folded::new(name);
        self.principals.values().find(|principal| Folded::new(&principal.name) == wanted)
    }

    /// The next object id, in steps as SQL Server makes them.
    pub(crate) fn next_id(&mut self) -> i32 {
        const FIRST: i32 = 565_577_053;
        const STEP: i32 = 16_000_057;
        let next = if self.last_id == 0 {
            FIRST
        } else {
            self.last_id.checked_add(STEP).unwrap_or(self.last_id % STEP + 1000)
        };
        self.last_id = next;
        next
    }

    /// Whether any name of a constraint or object of the schema is this one.
    pub(crate) fn has_object_named(&self, schema: &str, name: &str) -> bool {
        let (schema, name) = (Folded::new(schema), Folded::new(name));
        self.names.contains_key(&(schema.clone(), name.clone()))
            || self
                .tables
                .values()
                .filter(|table| Folded::new(&table.schema) == schema)
                .any(|table| table.constraint_names().any(|constraint| Folded::new(constraint) == name))
    }
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&TableColumn> {
        self.position(name).map(|at| &self.columns[at])
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|column| column.name == name);
        exact.or_else(|| {
            let wanted = Folded::new(name);
            self.columns.iter().position(|column| Folded::new(&column.name) == wanted)
        })
    }

    pub(crate) fn column_by_id(&self, id: i32) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.id == id)
    }

    pub(crate) fn primary_key(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| index.kind == IndexKind::PrimaryKey)
    }

    pub(crate) fn constraint_names(&self) -> impl Iterator<Item = &str> {
        let keys = self.indexes.iter().filter(|index| index.object_id != 0).map(|index| index.name.as_str());
        let checks = self.checks.iter().map(|check| check.name.as_str());
        let foreign = self.foreign_keys.iter().map(|key| key.name.as_str());
        let defaults =
            self.columns.iter().filter_map(|column| column.default.as_ref()).map(|default| default.name.as_str());
        keys.chain(checks).chain(foreign).chain(defaults)
    }

    /// `dbo.orders`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// What change data capture needs to know of it.
    pub(crate) fn layout(&self) -> Layout {
        let columns = self.columns.iter().map(|column| LayoutColumn {
            column_id: column.id,
            name: column.name.clone(),
            r#type: column.r#type.clone(),
            computed: column.computed.is_some(),
        });
        let position = |id: i32| self.columns.iter().position(|column| column.id == id);
        let unique = self.indexes.iter().filter(|index| index.unique);
        Layout {
            object_id: self.id,
            columns: columns.collect(),
            unique_keys: unique
                .map(|index| index.columns.iter().filter_map(|(id, _)| position(*id)).collect())
                .collect(),
        }
    }
}
