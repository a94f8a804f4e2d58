//! Users, roles and their rights.

use super::Definition;
use super::objects::catalog;
use super::view_columns::{Kind, NULL, SET, bit, int, maybe, text, time, tiny};
use crate::data::Datum;
use crate::sql::catalog::{Permission, PermissionOn, Principal, PrincipalKind};
use crate::sql::function::Metadata;

pub(super) const VIEWS: &[Definition] = &[
    Definition {
        schema: "sys",
        name: "database_principals",
        columns: &[
            ("name", Kind::Name, SET),
            ("principal_id", Kind::Int, SET),
            ("type", Kind::Char(1), SET),
            ("type_desc", Kind::Text(60), NULL),
            ("default_schema_name", Kind::Name, NULL),
            ("create_date", Kind::DateTime, SET),
            ("modify_date", Kind::DateTime, SET),
            ("owning_principal_id", Kind::Int, NULL),
            ("sid", Kind::Bytes(85), NULL),
            ("is_fixed_role", Kind::Bit, SET),
            ("authentication_type", Kind::Int, SET),
            ("authentication_type_desc", Kind::Text(60), NULL),
        ],
        rows: principals,
    },
    Definition {
        schema: "sys",
        name: "database_role_members",
        columns: &[("role_principal_id", Kind::Int, SET), ("member_principal_id", Kind::Int, SET)],
        rows: members,
    },
    Definition {
        schema: "sys",
        name: "database_permissions",
        columns: &[
            ("class", Kind::Tiny, SET),
            ("class_desc", Kind::Text(60), NULL),
            ("major_id", Kind::Int, SET),
            ("minor_id", Kind::Int, SET),
            ("grantee_principal_id", Kind::Int, SET),
            ("grantor_principal_id", Kind::Int, SET),
            ("type", Kind::Char(4), SET),
            ("permission_name", Kind::Name, NULL),
            ("state", Kind::Char(1), SET),
            ("state_desc", Kind::Text(60), NULL),
        ],
        rows: permissions,
    },
];

fn all(metadata: &Metadata) -> impl Iterator<Item = &Principal> {
    catalog(metadata).into_iter().flat_map(|catalog| catalog.principals.values().map(|principal| &**principal))
}

fn principals(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let row = |principal: &Principal| {
        let role = principal.kind == PrincipalKind::Role;
        let (kind, described) = if role { ("R", "DATABASE_ROLE") } else { ("S", "SQL_USER") };
        let schema = (!role).then_some(principal.schema.as_str());
        let (how, how_described) = if principal.login.is_some() { (1, "INSTANCE") } else { (0, "NONE") };
        vec![
            text(&principal.name),
            int(principal.id),
            text(kind),
            text(described),
            maybe(schema),
            time(0),
            time(0),
            if role { int(1) } else { Datum::Null },
            Datum::Bytes(principal.id.to_be_bytes().to_vec()),
            bit(principal.fixed && role),
            int(how),
            text(how_described),
        ]
    };
    all(metadata).map(row).collect()
}

fn members(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let of = |principal: &Principal| -> Vec<Vec<Datum>> {
        principal.roles.iter().map(|role| vec![int(*role), int(principal.id)]).collect()
    };
    all(metadata).flat_map(of).collect()
}

fn permissions(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let row = |permission: &Permission| {
        let (class, described, major) = match permission.on {
            PermissionOn::Database => (0, "DATABASE", 0),
            PermissionOn::Object(id) => (1, "OBJECT_OR_COLUMN", id),
            PermissionOn::Schema(id) => (3, "SCHEMA", id),
        };
        let (state, state_described) = if permission.denied { ("D", "DENY") } else { ("G", "GRANT") };
        vec![
            tiny(class),
            text(described),
            int(major),
            int(0),
            int(permission.principal),
            int(1),
            text(&format!("{:<4}", letters(&permission.name))),
            text(&permission.name),
            text(state),
            text(state_described),
        ]
    };
    catalog(metadata).into_iter().flat_map(|catalog| &catalog.permissions).map(|p| row(p)).collect()
}

/// The short form of a right.
fn letters(name: &str) -> &'static str {
    match name {
        "SELECT" => "SL",
        "INSERT" => "IN",
        "UPDATE" => "UP",
        "DELETE" => "DL",
        "EXECUTE" => "EX",
        "REFERENCES" => "RF",
        "CONTROL" => "CL",
        "CONNECT" => "CO",
        "ALTER" => "AL",
        "VIEW DEFINITION" => "VW",
        "VIEW DATABASE STATE" => "VWDS",
        _ => "",
    }
}
