//! What a database holds besides rows: its schemas, tables, indexes, views and users, and how that is kept.

mod model;
mod name;
mod store;

pub(crate) use self::model::{
    Alias, Catalog, Check, ColumnDefault, Computed, ForeignKey, Index, IndexKind, Permission, PermissionOn, Principal,
    PrincipalKind, Schema, Table, TableColumn, View,
};
pub(crate) use self::name::{Folded, constraint_name, physical_column, quoted};
pub(crate) use self::store::{Edit, create, identity, load, set_identity, version};
