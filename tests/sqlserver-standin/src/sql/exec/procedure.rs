//! Procedures: `EXEC` and calls of the protocol, `sp_executesql` and prepared statements, the catalogue's and those of
//! change data capture.

use super::core::{Core, InDatabase};
use super::frame::{Frame, Variable};
use super::prepared::PreparedText;
use super::run::Step;
use super::system::{Caller, ContextOf};
use crate::data::{Datum, SqlError, Type};
use crate::session::{Answer, Command, Flow, Parameter};
use crate::sql::parse::ast::{Execute, Executed, ObjectName};
use crate::sql::value::convert::{Settings, convert};
use crate::sql::{errors, parse, types};

/// How deep calls may go.
const MAX_NESTING: u32 = 32;

impl Core {
    /// `EXEC`, within a batch.
    pub(super) fn execute(
        &mut self,
        execute: &Execute,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<Step, SqlError> {
        let name = match &execute.what {
            Executed::Text(text) => {
                let to = types::text_of(true, None, self.database.collation);
                let Datum::Text(text) = self.value_as(text, frame, &to)? else { return Ok(Step::Next) };
                let step = self.nested(|core| core.run_text(&text, &mut Frame::default(), answer))?;
                return Ok(if step == Step::Stop && self.login.cancel.is_set() { Step::Stop } else { Step::Next });
            }
            Executed::Variable(variable) => {
                let value = frame.variable(variable).map(|variable| variable.value.clone());
                match value.ok_or_else(|| errors::undeclared_variable(variable))? {
                    Datum::Text(name) => parse::object_name(&name).map_err(SqlError::from)?,
                    _ => return Err(errors::unknown_procedure("")),
                }
            }
            Executed::Procedure(name) => name.clone(),
        };
        let mut parameters = Vec::new();
        for argument in &execute.arguments {
            let (value, kind) = match &argument.value {
                Some(value) => self.value_of(value, frame)?,
                None => (Datum::Null, Type::Int),
            };
            parameters.push(Parameter {
                name: argument.name.clone().unwrap_or_default(),
                r#type: kind,
                value,
                output: argument.output,
                default: argument.value.is_none(),
            });
        }
        let status = self.call(&name, &mut parameters, answer)?;
        for (argument, parameter) in execute.arguments.iter().zip(&parameters) {
            if let (true, Some(parse::ast::Expr::Variable(variable))) = (argument.output, &argument.value)
                && let Some(variable) = frame.variable_mut(variable)
            {
                let settings = Settings { style: None, order: self.options.date_order };
                variable.value = convert(&parameter.value, &parameter.r#type, &variable.r#type, settings)?;
            }
        }
        if let Some(variable) = execute.status.as_ref().and_then(|name| frame.variable_mut(name)) {
            variable.value = Datum::Int(status.unwrap_or(0));
        }
        answer.done(None, Command::Execute);
        Ok(if status.is_none() { Step::Stop } else { Step::Next })
    }

    fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        if self.nesting >= MAX_NESTING {
            return Err(SqlError::new(
                217,
                16,
                1,
                "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).",
            ));
        }
        self.nesting += 1;
        let result = run(self);
        self.nesting -= 1;
        result
    }

    /// Calls a procedure; its status, or none when the session is to stop.
    pub(super) fn call(
        &mut self,
        name: &ObjectName,
        parameters: &mut [Parameter],
        answer: &mut dyn Answer,
    ) -> Result<Option<i32>, SqlError> {
        self.nested(|core| core.call_nested(name, parameters, answer))
    }

    fn call_nested(
        &mut self,
        name: &ObjectName,
        parameters: &mut [Parameter],
        answer: &mut dyn Answer,
    ) -> Result<Option<i32>, SqlError> {
        let lower = name.object.to_ascii_lowercase();
        let database = match &name.database {
            Some(database) => self.in_database(database)?,
            None => self.current(),
        };
        match lower.as_str() {
            "sp_executesql" => return self.execute_sql(parameters, answer),
            "sp_prepare" | "sp_prepexec" => return self.prepare(lower == "sp_prepexec", parameters, answer),
            "sp_execute" => return self.execute_prepared(parameters, answer),
            "sp_unprepare" => return self.unprepare(parameters),
            "sp_reset_connection" | "sp_getapplock" | "sp_releaseapplock" => return Ok(Some(0)),
            "sp_rename" => return self.rename(&texts(parameters), &database).map(|()| Some(0)),
            "sp_addrolemember" | "sp_droprolemember" => {
                if let [role, member, ..] = texts(parameters).as_slice() {
                    self.alter_role(role, member, lower == "sp_addrolemember")?;
                }
                return Ok(Some(0));
            }
            "sp_configure" => return self.configure(parameters).map(|()| Some(0)),
            _ if lower.starts_with("sp_cursor") => {
                return Err(SqlError::new(
                    16937,
                    16,
                    1,
                    "A server cursor cannot be opened on the given statement or statements. The stand-in has no cursors: use a default result set.",
                ));
            }
            _ => {}
        }
        let server = std::sync::Arc::clone(&self.server);
        let known = server.procedures.iter().find(|procedure| {
            let schema = name.schema.as_deref().unwrap_or("sys");
            procedure.name.eq_ignore_ascii_case(&name.object)
                && (procedure.schema.eq_ignore_ascii_case(schema)
                    || (schema.eq_ignore_ascii_case("dbo") && procedure.schema == "sys"))
        });
        if let Some(procedure) = known {
            let settings = Settings { style: None, order: self.options.date_order };
            let mut given = named(procedure, parameters, settings)?;
            let mut context = ContextOf::new(Caller { core: self, answer }, database);
            let status = (procedure.call)(&mut context, &mut given)
                .map_err(|error| if error.procedure.is_empty() { error.within(procedure.name) } else { error })?;
            for changed in given {
                if let Some(parameter) =
                    parameters.iter_mut().find(|parameter| parameter.name.eq_ignore_ascii_case(&changed.name))
                {
                    parameter.value = changed.value;
                    parameter.r#type = changed.r#type;
                }
            }
            return Ok(Some(status));
        }
        let metadata = self.metadata(&database)?;
        let arguments: Vec<_> =
            parameters.iter().map(|parameter| (parameter.name.to_lowercase(), parameter.value.clone())).collect();
        match crate::sql::procedure::rows(&lower, &arguments, &metadata) {
            Some(rows) => {
                let (columns, rows) = rows?;
                if answer.columns(&columns) == Flow::Stop {
                    return Ok(None);
                }
                for row in &rows {
                    if answer.row(row) == Flow::Stop {
                        return Ok(None);
                    }
                }
                self.rows = i64::try_from(rows.len()).unwrap_or(i64::MAX);
                answer.done(self.counted(rows.len() as u64), Command::Select);
                Ok(Some(0))
            }
            None => {
                self.note_unsupported(&format!("the procedure {}", name.text()));
                Err(errors::unknown_procedure(&name.text()))
            }
        }
    }

    /// What a call of the protocol runs: the statement of one that is prepared, else the procedure's name.
    pub(super) fn asked(&self, procedure: &str, parameters: &[Parameter]) -> String {
        let text = match procedure.to_ascii_lowercase().as_str() {
            "sp_executesql" => parameters.first().map(text_of),
            "sp_prepare" | "sp_prepexec" => parameters.get(2).map(text_of),
            "sp_execute" => parameters
                .first()
                .and_then(handle_of)
                .and_then(|handle| self.prepared.get(handle))
                .map(|p| p.text.clone()),
            _ => None,
        };
        text.unwrap_or_else(|| procedure.to_owned())
    }

    fn execute_sql(&mut self, parameters: &mut [Parameter], answer: &mut dyn Answer) -> Result<Option<i32>, SqlError> {
        let [statement, rest @ ..] = parameters else {
            return Err(errors::missing_parameter("sp_executesql", "@statement"));
        };
        let text = text_of(statement);
        let Some((declared, values)) = rest.split_first_mut() else {
            return self.run_prepared(&text, "", &mut [], answer);
        };
        let declared = text_of(declared);
        self.run_prepared(&text, &declared, values, answer)
    }

    /// Runs a text with its parameters; what it did to output parameters goes back into them.
    fn run_prepared(
        &mut self,
        text: &str,
        declared: &str,
        values: &mut [Parameter],
        answer: &mut dyn Answer,
    ) -> Result<Option<i32>, SqlError> {
        let declared = parse::parameters(declared).map_err(SqlError::from)?;
        let mut frame = Frame::default();
        let settings = Settings { style: None, order: self.options.date_order };
        let mut matches = Vec::new();
        for (at, parameter) in declared.iter().enumerate() {
            let kind = types::resolve(&parameter.to, self.database.collation)?;
            let named = values.iter().position(|value| value.name.eq_ignore_ascii_case(&parameter.name));
            let place = named.or_else(|| values.get(at).filter(|value| value.name.is_empty()).map(|_| at));
            let value = match place.map(|place| &values[place]) {
                Some(given) if !given.default => convert(&given.value, &given.r#type, &kind, settings)?,
                _ => match &parameter.default {
                    Some(default) => self.value_as(default, &Frame::default(), &kind)?,
                    None if place.is_some() => Datum::Null,
                    None => {
                        let message = format!(
                            "The parameterized query '({}){}' expects the parameter '{}', which was not supplied.",
                            declared.iter().map(|p| format!("{} {}", p.name, p.to.name)).collect::<Vec<_>>().join(","),
                            text.chars().take(60).collect::<String>(),
                            parameter.name
                        );
                        return Err(SqlError::new(8178, 16, 1, message));
                    }
                },
            };
            frame.declare(&parameter.name, Variable { r#type: kind, value });
            matches.push((place, parameter.name.clone()));
        }
        let step = self.run_text(text, &mut frame, answer)?;
        for (place, name) in matches {
            if let (Some(place), Some(variable)) = (place, frame.variable(&name))
                && values[place].output
            {
                values[place].value = variable.value.clone();
                values[place].r#type = variable.r#type.clone();
            }
        }
        Ok(match step {
            Step::Return(status) => Some(status),
            Step::Stop if self.login.cancel.is_set() && !self.internal => None,
            _ => Some(0),
        })
    }

    fn prepare(
        &mut self,
        run: bool,
        parameters: &mut [Parameter],
        answer: &mut dyn Answer,
    ) -> Result<Option<i32>, SqlError> {
        let [handle, declared, text, rest @ ..] = parameters else {
            return Err(errors::missing_parameter("sp_prepare", "@stmt"));
        };
        let prepared = PreparedText { parameters: text_of(declared), text: text_of(text) };
        // A statement that does not parse is an error when it is prepared.
        parse::batch(&prepared.text, self.options.quoted_identifier).map_err(SqlError::from)?;
        let (text, declared) = (prepared.text.clone(), prepared.parameters.clone());
        handle.value = Datum::Int(self.prepared.add(prepared));
        handle.r#type = Type::Int;
        if run { self.run_prepared(&text, &declared, rest, answer) } else { Ok(Some(0)) }
    }

    fn execute_prepared(
        &mut self,
        parameters: &mut [Parameter],
        answer: &mut dyn Answer,
    ) -> Result<Option<i32>, SqlError> {
        let [handle, values @ ..] = parameters else { return Err(errors::missing_parameter("sp_execute", "@handle")) };
        let prepared = handle_of(handle).and_then(|handle| self.prepared.get(handle)).cloned();
        let Some(prepared) = prepared else { return Err(unknown_handle(handle)) };
        self.run_prepared(&prepared.text, &prepared.parameters, values, answer)
    }

    fn unprepare(&mut self, parameters: &[Parameter]) -> Result<Option<i32>, SqlError> {
        let [handle, ..] = parameters else { return Err(errors::missing_parameter("sp_unprepare", "@handle")) };
        if handle_of(handle).is_some_and(|handle| self.prepared.remove(handle)) {
            Ok(Some(0))
        } else {
            Err(unknown_handle(handle))
        }
    }

    /// `sp_configure 'max text repl size', n`: the option that change data capture minds.
    fn configure(&mut self, parameters: &[Parameter]) -> Result<(), SqlError> {
        self.check_sysadmin("ALTER SETTINGS")?;
        let texts = texts(parameters);
        let number = parameters
            .get(1)
            .and_then(|value| crate::sql::value::number::Number::of(&value.value))
            .and_then(crate::sql::value::number::Number::truncated);
        if let (Some(name), Some(number)) = (texts.first(), number)
            && name.to_ascii_lowercase().starts_with("max text repl size")
        {
            self.server.changes.set_max_text_repl_size(i64::try_from(number).unwrap_or(-1));
        }
        Ok(())
    }

    /// `sp_rename 'table', 'new'` and `sp_rename 'table.column', 'new', 'COLUMN'`.
    fn rename(&mut self, texts: &[String], database: &InDatabase) -> Result<(), SqlError> {
        let [old, new, rest @ ..] = texts else { return Err(errors::missing_parameter("sp_rename", "@newname")) };
        let written = parse::object_name(old).map_err(SqlError::from)?;
        let column = rest.first().is_some_and(|kind| kind.eq_ignore_ascii_case("COLUMN"));
        let table_name = if column {
            // `[schema.]table.column` parses one place to the left.
            ObjectName {
                database: None,
                schema: written.database.clone(),
                object: written.schema.clone().unwrap_or_default(),
            }
        } else {
            written.clone()
        };
        let missing = || {
            SqlError::new(
                15225,
                11,
                1,
                format!(
                    "No item by the name of '{old}' could be found in the current database '{}', given that @itemtype was input as '{}'.",
                    database.name,
                    if column { "COLUMN" } else { "(null)" }
                ),
            )
        };
        let (table, physical, database) = self.find_table(&table_name).map_err(|_| missing())?;
        let found = if column { Some(table.column(&written.object).ok_or_else(missing)?.name.clone()) } else { None };
        let ddl = crate::cdc::Ddl::Rename { object_id: table.id, column: found.as_deref() };
        self.tell_before(&database, &ddl)?;
        self.edit(&database, |edit, connection| {
            let mut table = crate::sql::catalog::Table::clone(&table);
            match &found {
                Some(found) => {
                    let (from, to) =
                        (crate::sql::catalog::physical_column(found), crate::sql::catalog::physical_column(new));
                    connection
                        .execute_batch(&format!("ALTER TABLE {physical} RENAME COLUMN {from} TO {to}"))
                        .map_err(|error| errors::storage(&error))?;
                    for column in table.columns.iter_mut().filter(|column| column.name == *found) {
                        column.name.clone_from(new);
                    }
                }
                None => table.name.clone_from(new),
            }
            edit.put_table(table).map_err(|error| errors::storage(&error))
        })
    }
}

fn handle_of(parameter: &Parameter) -> Option<i32> {
    crate::sql::value::number::Number::of(&parameter.value)?.truncated().and_then(|handle| i32::try_from(handle).ok())
}

fn unknown_handle(parameter: &Parameter) -> SqlError {
    SqlError::new(
        8179,
        16,
        2,
        format!("Could not find prepared statement with handle {}.", handle_of(parameter).unwrap_or(0)),
    )
}

fn text_of(parameter: &Parameter) -> String {
    match &parameter.value {
        Datum::Text(text) => text.clone(),
        _ => String::new(),
    }
}

fn texts(parameters: &[Parameter]) -> Vec<String> {
    parameters.iter().map(text_of).collect()
}

/// The parameters of a procedure by their names, each in its type.
fn named(
    procedure: &crate::cdc::Procedure,
    given: &mut [Parameter],
    settings: Settings,
) -> Result<Vec<Parameter>, SqlError> {
    let mut out = Vec::new();
    for (at, parameter) in given.iter_mut().enumerate() {
        let known = if parameter.name.is_empty() {
            procedure.parameters.get(at).ok_or_else(|| errors::too_many_arguments(procedure.name))?
        } else {
            let mut known = procedure.parameters.iter();
            let known = known.find(|(name, _)| name.eq_ignore_ascii_case(&parameter.name));
            known.ok_or_else(|| errors::not_a_parameter(procedure.name, &parameter.name))?
        };
        parameter.name = known.0.to_owned();
        if parameter.default {
            continue;
        }
        let value = convert(&parameter.value, &parameter.r#type, &known.1, settings)?;
        out.push(Parameter {
            name: known.0.to_owned(),
            r#type: known.1.clone(),
            value,
            output: parameter.output,
            default: false,
        });
    }
    Ok(out)
}
