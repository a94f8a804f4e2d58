//! `sp_cdc_enable_db` and `sp_cdc_enable_table`.

use std::sync::Arc;

use super::{
    ChangeData, Layout, LayoutColumn, Procedure, ProcedureContext, System, agent,
    answer::say,
    arguments::{Arguments, sysname, text},
    change_data::{lock, touch_log},
    column_list::captured_columns,
    jobs, log, sqlite,
};
use crate::{
    data::{Datum, SqlError, Type},
    session::Parameter,
    sql::types,
};

/// The tables of an enabled database; the order of their columns is relied upon by readers.
const TABLES: &[&str] = &[
    "CREATE TABLE cdc.change_tables (object_id int NOT NULL PRIMARY KEY, version int NULL, source_object_id int NULL,
         capture_instance sysname NOT NULL, start_lsn binary(10) NULL, end_lsn binary(10) NULL,
         supports_net_changes bit NULL, has_drop_pending bit NULL, role_name sysname NULL, index_name sysname NULL,
         filegroup_name sysname NULL, create_date datetime NULL, partition_switch bit NOT NULL)",
    "CREATE TABLE cdc.captured_columns (object_id int NOT NULL, column_name sysname NOT NULL, column_id int NULL,
         column_type sysname NOT NULL, column_ordinal int NOT NULL, is_computed bit NULL,
         masking_function nvarchar(4000) NULL, PRIMARY KEY (object_id, column_ordinal))",
    "CREATE TABLE cdc.index_columns (object_id int NOT NULL, column_name sysname NOT NULL, index_ordinal tinyint NOT NULL,
         column_id int NOT NULL, PRIMARY KEY (object_id, index_ordinal))",
    "CREATE TABLE cdc.ddl_history (source_object_id int NULL, object_id int NOT NULL, required_column_update bit NULL,
         ddl_command nvarchar(max) NULL, ddl_lsn binary(10) NOT NULL, ddl_time datetime NULL)",
    "CREATE TABLE cdc.lsn_time_mapping (start_lsn binary(10) NOT NULL PRIMARY KEY, tran_begin_time datetime NULL,
         tran_end_time datetime NULL, tran_id varbinary(10) NULL, tran_begin_lsn binary(10) NULL)",
    "CREATE TABLE dbo.systranschemas (tabid int NOT NULL, startlsn binary(10) NOT NULL, endlsn binary(10) NOT NULL,
         typeid int NOT NULL)",
];

pub(super) fn procedures(changes: &Arc<ChangeData>) -> Vec<Procedure> {
    let (database, table) = (Arc::clone(changes), Arc::clone(changes));
    vec![
        Procedure {
            schema: "sys",
            name: "sp_cdc_enable_db",
            parameters: Vec::new(),
            call: Arc::new(move |cx, _| enable_database(&database, cx)),
        },
        Procedure {
            schema: "sys",
            name: "sp_cdc_enable_table",
            parameters: vec![
                ("@source_schema", sysname()),
                ("@source_name", sysname()),
                ("@capture_instance", sysname()),
                ("@supports_net_changes", Type::Bit),
                ("@role_name", sysname()),
                ("@index_name", sysname()),
                ("@captured_column_list", text(4000)),
                ("@filegroup_name", sysname()),
                ("@allow_partition_switch", Type::Bit),
            ],
            call: Arc::new(move |cx, arguments| enable_table(&table, cx, arguments)),
        },
    ]
}

fn enable_database(changes: &ChangeData, cx: &mut dyn ProcedureContext) -> Result<i32, SqlError> {
    if !cx.is_sysadmin() {
        return Err(error(
            22902,
            "Caller is not authorized to initiate the requested action. Sysadmin privileges are required.",
        ));
    }
    let name = cx.database().to_owned();
    if ["master", "tempdb", "model", "msdb"].iter().any(|system| name.eq_ignore_ascii_case(system)) {
        return Err(error(
            22989,
            format!(
                "Could not enable Change Data Capture for database '{name}'. Change data capture is not supported on system \
                 databases, or on a distribution database."
            ),
        ));
    }
    if is_enabled(cx) {
        return Ok(0);
    }
    let taken = "SELECT 1 FROM sys.schemas WHERE name = N'cdc' UNION ALL SELECT 1 FROM sys.database_principals \
                 WHERE name = N'cdc'";
    if !cx.run(taken, &[])?.is_empty() {
        return Err(error(
            22906,
            format!(
                "The database '{name}' cannot be enabled for Change Data Capture because a database user named 'cdc' or a \
                 schema named 'cdc' already exists in the current database. These objects are required exclusively by Change \
                 Data Capture. Drop or rename the user or schema and retry the operation."
            ),
        ));
    }
    cx.run("CREATE SCHEMA cdc", &[])?;
    cx.run("CREATE USER cdc WITHOUT LOGIN WITH DEFAULT_SCHEMA = cdc", &[])?;
    for table in TABLES {
        cx.run(table, &[])?;
    }
    log::create(cx.connection(), cx.database_id())?;
    let database = changes.database(cx.database_id())?;
    let position = lock(&database.log).allocator.commit();
    let state = format!(
        "CREATE TABLE {0}.standin_cdc_state (position INTEGER NOT NULL);
         INSERT INTO {0}.standin_cdc_state VALUES ({1});",
        cx.cdc_file(),
        position.to_integer()
    );
    cx.connection().execute_batch(&state).map_err(sqlite)?;
    jobs::create_table(cx)?;
    cx.set_cdc_enabled(true)?;
    Ok(0)
}

fn enable_table(
    changes: &Arc<ChangeData>,
    cx: &mut dyn ProcedureContext,
    given: &[Parameter],
) -> Result<i32, SqlError> {
    check_enabled(cx)?;
    check_owner(cx)?;
    let arguments = Arguments::new("sp_cdc_enable_table", given);
    let request = Request::read(cx, &arguments)?;
    touch_log(cx)?;
    let database = changes.database(cx.database_id())?;
    let start_lsn = lock(&database.log).allocator.commit();
    request.create_change_table(cx)?;
    request.register(cx, start_lsn.to_bytes().to_vec(), Datum::DateTime(changes.clock.local_datetime()))?;
    cx.set_tracked(request.layout.object_id, true)?;
    if jobs::create(cx, changes.options.capture)? {
        for kind in ["capture", "cleanup"] {
            say(cx, format!("Job 'cdc.{}_{kind}' started successfully.", database.name));
        }
    }
    if !database.agent.is_running() {
        agent::start(changes, &database)?;
    }
    Ok(0)
}

/// A table that is to be captured, checked.
struct Request {
    layout: Arc<Layout>,
    instance: String,
    net_changes: bool,
    role: Option<String>,
    index: Option<String>,
    filegroup: Option<String>,
    partition_switch: bool,
    captured: Vec<LayoutColumn>,
    /// Names of the columns of the index, in its order.
    key: Vec<String>,
}

impl Request {
    fn read(cx: &mut dyn ProcedureContext, arguments: &Arguments<'_>) -> Result<Request, SqlError> {
        let schema = arguments.required("@source_schema")?;
        let table = arguments.required("@source_name")?;
        arguments.must_be_given("@role_name")?;
        let role = arguments.text("@role_name");
        if role.as_deref() == Some("") {
            return Err(error(
                22907,
                "Parameter @role_name cannot be empty. Specify a value for @role_name and retry the operation. Supply null as \
                 the value if no role is to be used to gate access to captured change data.",
            ));
        }
        if schema.eq_ignore_ascii_case("cdc") {
            return Err(error(22974, "Tables contained in the cdc schema cannot be enabled for Change Data Capture."));
        }
        let (schema, table, object_id) = source(cx, &schema, &table)?;
        let layout = cx.layout(object_id)?;
        let instance = arguments.text("@capture_instance").unwrap_or_else(|| format!("{schema}_{table}"));
        check_instance(cx, &instance, object_id, &schema, &table)?;
        let named = arguments.text("@index_name");
        let index = find_index(cx, object_id, named.as_deref(), &schema, &table)?;
        let net_changes = match arguments.number("@supports_net_changes") {
            Some(given) => given != 0,
            None => index.is_some(),
        };
        if net_changes && index.is_none() {
            return Err(error(
                22939,
                "The parameter @supports_net_changes is set to 1, but the source table does not have a primary key defined \
                 and no alternate unique index has been specified.",
            ));
        }
        let list = arguments.text("@captured_column_list");
        let captured = captured_columns(&layout, list.as_deref(), &schema, &table)?;
        let (index, key) = index.map_or((None, Vec::new()), |(name, key)| (Some(name), key));
        let keyed = |name: &String| captured.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        if !key.iter().all(keyed) && (net_changes || named.is_some()) {
            return Err(error(
                22943,
                "Columns used to uniquely identify a row for net change tracking must be included in the list of captured \
                 columns. Add either the primary key columns of the source table, or the columns defined for the index \
                 specified in the parameter @index_name to the list of captured columns and retry the operation.",
            ));
        }
        Ok(Request {
            layout,
            instance,
            net_changes,
            role,
            index,
            filegroup: arguments.text("@filegroup_name"),
            partition_switch: arguments.number("@allow_partition_switch") != Some(0),
            captured,
            key,
        })
    }

    fn create_change_table(&self, cx: &mut dyn ProcedureContext) -> Result<(), SqlError> {
        let table = format!("cdc.{}", bracketed(&format!("{}_CT", self.instance)));
        let columns: String = self
            .captured
            .iter()
            .map(|c| format!("{} {} NULL, ", bracketed(&c.name), captured_type(&c.r#type)))
            .collect();
        cx.run(
            &format!(
                "CREATE TABLE {table} (__$start_lsn binary(10) NOT NULL, __$end_lsn binary(10) NULL, \
                 __$seqval binary(10) NOT NULL, __$operation int NOT NULL, __$update_mask varbinary(128) NULL, {columns}\
                 __$command_id int NULL)"
            ),
            &[],
        )?;
        let index = bracketed(&format!("{}_CT_clustered_idx", self.instance));
        cx.run(
            &format!(
                "CREATE UNIQUE CLUSTERED INDEX {index} ON {table} (__$start_lsn, __$command_id, __$seqval, __$operation)"
            ),
            &[],
        )?;
        if self.net_changes {
            let index = bracketed(&format!("{}_CT_idx", self.instance));
            let key: String = self.key.iter().map(|name| format!("{}, ", bracketed(name))).collect();
            cx.run(
                &format!(
                    "CREATE UNIQUE NONCLUSTERED INDEX {index} ON {table} \
                     ({key}__$start_lsn, __$command_id, __$seqval, __$operation)"
                ),
                &[],
            )?;
        }
        if let Some(role) = &self.role {
            let known = "SELECT 1 FROM sys.database_principals WHERE name = @role";
            if cx.run(known, &[("@role", Datum::Text(role.clone()))])?.is_empty() {
                cx.run(&format!("CREATE ROLE {}", bracketed(role)), &[])?;
            }
        }
        Ok(())
    }

    fn register(&self, cx: &mut dyn ProcedureContext, start_lsn: Vec<u8>, now: Datum) -> Result<(), SqlError> {
        let name = Datum::Text(format!("{}_CT", self.instance));
        let rows = cx.run(
            "SELECT t.object_id FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
             WHERE s.name = N'cdc' AND t.name = @name",
            &[("@name", name)],
        )?;
        let object_id = rows.into_iter().flatten().next().unwrap_or(Datum::Null);
        let text = |text: &Option<String>| text.clone().map_or(Datum::Null, Datum::Text);
        cx.run(
            "INSERT INTO cdc.change_tables (object_id, version, source_object_id, capture_instance, start_lsn, end_lsn, \
             supports_net_changes, has_drop_pending, role_name, index_name, filegroup_name, create_date, partition_switch) \
             VALUES (@object, 0, @source, @instance, @lsn, NULL, @net, NULL, @role, @index, @filegroup, @now, @switch)",
            &[
                ("@object", object_id.clone()),
                ("@source", Datum::Int(self.layout.object_id)),
                ("@instance", Datum::Text(self.instance.clone())),
                ("@lsn", Datum::Bytes(start_lsn)),
                ("@net", Datum::Bit(self.net_changes)),
                ("@role", text(&self.role)),
                ("@index", text(&self.index)),
                ("@filegroup", text(&self.filegroup)),
                ("@now", now),
                ("@switch", Datum::Bit(self.partition_switch)),
            ],
        )?;
        for (column, ordinal) in self.captured.iter().zip(1..) {
            cx.run(
                "INSERT INTO cdc.captured_columns (object_id, column_name, column_id, column_type, column_ordinal, \
                 is_computed, masking_function) VALUES (@object, @name, @id, @type, @ordinal, @computed, NULL)",
                &[
                    ("@object", object_id.clone()),
                    ("@name", Datum::Text(column.name.clone())),
                    ("@id", Datum::Int(column.column_id)),
                    ("@type", Datum::Text(types::name(&column.r#type).to_owned())),
                    ("@ordinal", Datum::Int(ordinal)),
                    ("@computed", Datum::Bit(column.computed)),
                ],
            )?;
        }
        for (name, ordinal) in self.key.iter().zip(1..) {
            let column = self.layout.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
            cx.run(
                "INSERT INTO cdc.index_columns (object_id, column_name, index_ordinal, column_id) \
                 VALUES (@object, @name, @ordinal, @id)",
                &[
                    ("@object", object_id.clone()),
                    ("@name", Datum::Text(name.clone())),
                    ("@ordinal", Datum::TinyInt(ordinal)),
                    ("@id", Datum::Int(column.map_or(0, |c| c.column_id))),
                ],
            )?;
        }
        Ok(())
    }
}

/// A table's schema and name in their real case, and its `object_id`.
pub(super) fn source(cx: &mut dyn System, schema: &str, table: &str) -> Result<(String, String, i32), SqlError> {
    let rows = cx.run(
        "SELECT s.name, t.name, t.object_id FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id \
         WHERE s.name = @schema AND t.name = @table AND t.is_ms_shipped = 0",
        &[("@schema", Datum::Text(schema.to_owned())), ("@table", Datum::Text(table.to_owned()))],
    )?;
    match rows.first().map(Vec::as_slice) {
        Some([Datum::Text(schema), Datum::Text(table), Datum::Int(id)]) => Ok((schema.clone(), table.clone(), *id)),
        _ => Err(error(
            22931,
            format!(
                "Source table '{schema}.{table}' does not exist in the current database. Ensure that the correct database \
                 context is set. Specify a valid schema and table name for the database."
            ),
        )),
    }
}

fn check_instance(
    cx: &mut dyn System,
    instance: &str,
    object_id: i32,
    schema: &str,
    table: &str,
) -> Result<(), SqlError> {
    if instance.is_empty() {
        return Err(error(
            22932,
            format!(
                "Capture instance name '{instance}' is invalid. Specify a valid name. See the topic 'Identifiers' in SQL \
                 Server Books Online for object name rules."
            ),
        ));
    }
    if instance.chars().count() > 100 {
        return Err(error(
            22927,
            format!(
                "Capture instance name '{instance}' exceeds the length limit of 100 characters. Specify a name that satisfies \
                 the length constraint."
            ),
        ));
    }
    let same = "SELECT 1 FROM cdc.change_tables WHERE capture_instance = @instance";
    if !cx.run(same, &[("@instance", Datum::Text(instance.to_owned()))])?.is_empty() {
        return Err(error(
            22926,
            format!(
                "Could not create a capture instance because the capture instance name '{instance}' already exists in the \
                 current database. Specify an explicit unique name for the parameter @capture_instance."
            ),
        ));
    }
    let of_table = "SELECT 1 FROM cdc.change_tables WHERE source_object_id = @source";
    if cx.run(of_table, &[("@source", Datum::Int(object_id))])?.len() >= 2 {
        return Err(error(
            22962,
            format!(
                "Two capture instances already exist for source table '{schema}.{table}'. A table can have at most two \
                 capture instances. If the current tracking options are not appropriate, disable change tracking for the \
                 obsolete instance by using sys.sp_cdc_disable_table and retry the operation."
            ),
        ));
    }
    Ok(())
}

/// The index that identifies a row, with its columns: the named one, or the primary key's.
fn find_index(
    cx: &mut dyn System,
    object_id: i32,
    named: Option<&str>,
    schema: &str,
    table: &str,
) -> Result<Option<(String, Vec<String>)>, SqlError> {
    let rows = cx.run(
        "SELECT i.name, i.index_id, i.is_unique, i.is_primary_key FROM sys.indexes i \
         WHERE i.object_id = @object AND i.name IS NOT NULL",
        &[("@object", Datum::Int(object_id))],
    )?;
    let wanted = rows.iter().find(|row| match (row.as_slice(), named) {
        ([Datum::Text(name), ..], Some(named)) => name.eq_ignore_ascii_case(named),
        ([_, _, _, Datum::Bit(primary)], None) => *primary,
        _ => false,
    });
    let Some([Datum::Text(name), index_id, Datum::Bit(unique), _]) = wanted.map(Vec::as_slice) else {
        return match named {
            None => Ok(None),
            Some(named) => Err(error(
                22928,
                format!(
                    "Index name '{named}' is not an index for table '{schema}.{table}'. Specify a valid index name for the \
                     table."
                ),
            )),
        };
    };
    if !unique {
        return Err(error(
            22929,
            format!(
                "Index '{name}' must be either a primary key or a unique index for table '{schema}.{table}'. Specify an index \
                 that meets at least one of these requirements."
            ),
        ));
    }
    let columns = cx.run(
        "SELECT c.name FROM sys.index_columns ic JOIN sys.columns c ON c.object_id = ic.object_id \
         AND c.column_id = ic.column_id WHERE ic.object_id = @object AND ic.index_id = @index AND ic.key_ordinal > 0 \
         ORDER BY ic.key_ordinal",
        &[("@object", Datum::Int(object_id)), ("@index", index_id.clone())],
    )?;
    let columns = columns.into_iter().flatten().filter_map(|value| match value {
        Datum::Text(name) => Some(name),
        _ => None,
    });
    Ok(Some((name.clone(), columns.collect())))
}

/// The type of a captured column: the source's, of which a rowversion cannot be written.
pub(super) fn captured_type(r#type: &Type) -> String {
    match r#type {
        Type::RowVersion => "binary(8)".to_owned(),
        other => types::full_text(other),
    }
}

pub(super) fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

/// Whether CDC is enabled in the database. The query has the connection look at the catalogue as it is now.
pub(super) fn is_enabled(cx: &mut dyn System) -> bool {
    let schema = cx.run("SELECT 1 FROM sys.schemas WHERE name = N'cdc'", &[]);
    schema.is_ok_and(|rows| !rows.is_empty()) && cx.physical("cdc", "change_tables").is_ok()
}

/// 22901 in a database that is not enabled.
pub(super) fn check_enabled(cx: &mut dyn System) -> Result<(), SqlError> {
    if is_enabled(cx) {
        return Ok(());
    }
    Err(error(
        22901,
        format!(
            "The database '{}' is not enabled for Change Data Capture. Ensure that the correct database context is set and \
             retry the operation. To report on the databases enabled for Change Data Capture, query the is_cdc_enabled column \
             in the sys.databases catalog view.",
            cx.database()
        ),
    ))
}

/// 22904 for who is not db_owner.
pub(super) fn check_owner(cx: &dyn ProcedureContext) -> Result<(), SqlError> {
    if cx.is_db_owner() {
        return Ok(());
    }
    Err(error(22904, "Caller is not authorized to initiate the requested action. DBO privileges are required."))
}

pub(super) fn error(number: i32, message: impl Into<String>) -> SqlError {
    SqlError::new(number, 16, 1, message)
}
