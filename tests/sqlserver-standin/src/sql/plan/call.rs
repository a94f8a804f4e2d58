//! Calls: the forms that are more than functions, built-in functions, and the functions of change data capture.

use crate::cdc::FunctionBody;
use crate::data::{Datum, SqlError, Type};
use crate::sql::parse;
use crate::sql::parse::ast::{Call, Expr, Literal};
use crate::sql::{errors, function};

use super::{Binder, Bound, aggregate, window};

impl Binder<'_> {
    pub(super) fn call(&mut self, call: &Call) -> Result<Bound, SqlError> {
        if call.over.is_none()
            && let Some(name) = aggregate::named(&call.name)
        {
            return self.aggregate(&name, call);
        }
        if call.name.schema.is_some() || call.name.database.is_some() {
            return self.schema_function(call);
        }
        let name = call.name.object.to_ascii_uppercase();
        if let Some(over) = &call.over {
            return self.windowed(&name, call, over);
        }
        if window::is_ranking(&name) {
            return Err(SqlError::new(
                10_753,
                15,
                1,
                format!("The function '{}' must have an OVER clause.", call.name.object),
            ));
        }
        match (name.as_str(), call.arguments.as_slice()) {
            ("COALESCE", arguments @ [_, _, ..]) => self.coalesce(arguments),
            ("ISNULL", [value, instead]) => self.is_null_function(value, instead),
            ("NULLIF", [left, right]) => self.null_if(left, right),
            ("CHOOSE", [index, choices @ ..]) if !choices.is_empty() => self.choose(index, choices),
            ("COALESCE" | "ISNULL" | "NULLIF" | "CHOOSE", _) => Err(errors::argument_count(&name.to_lowercase(), 2)),
            _ => self.builtin(&name, call),
        }
    }

    fn coalesce(&mut self, arguments: &[Expr]) -> Result<Bound, SqlError> {
        let bounds: Vec<_> = arguments.iter().map(|argument| self.value(argument)).collect::<Result<_, _>>()?;
        if bounds.iter().all(|bound| bound.null) {
            return Err(SqlError::new(
                4127,
                16,
                1,
                "At least one of the arguments to COALESCE must be an expression that is not the NULL constant.",
            ));
        }
        let kind = self.common(&bounds.iter().collect::<Vec<_>>());
        let nullable = bounds.iter().all(|bound| bound.nullable);
        let values: Vec<_> = bounds.iter().map(|bound| self.in_type(bound, &kind)).collect::<Result<_, _>>()?;
        Ok(Bound::new(format!("coalesce({})", values.join(", ")), kind, nullable))
    }

    /// `ISNULL` has the type of its first argument.
    fn is_null_function(&mut self, value: &Expr, instead: &Expr) -> Result<Bound, SqlError> {
        let (value, instead) = (self.value(value)?, self.value(instead)?);
        let kind = if value.null { instead.r#type.clone() } else { value.r#type.clone() };
        let other = self.in_type(&instead, &kind)?;
        let nullable = value.nullable && instead.nullable;
        Ok(Bound {
            null: value.null && instead.null,
            ..Bound::new(format!("ifnull({}, {other})", value.sql), kind, nullable)
        })
    }

    fn null_if(&mut self, left: &Expr, right: &Expr) -> Result<Bound, SqlError> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        let equal = self.compare(&left, crate::sql::parse::ast::BinaryOp::Equal, &right)?.sql;
        Ok(Bound::grouped(&format!("CASE WHEN {equal} THEN NULL ELSE {} END", left.sql), left.r#type, true))
    }

    fn choose(&mut self, index: &Expr, choices: &[Expr]) -> Result<Bound, SqlError> {
        let index = self.value(index)?;
        let index = self.in_type(&index, &Type::Int)?;
        let bounds: Vec<_> = choices.iter().map(|choice| self.value(choice)).collect::<Result<_, _>>()?;
        let kind = self.common(&bounds.iter().collect::<Vec<_>>());
        let mut sql = format!("CASE {index}");
        for (at, bound) in bounds.iter().enumerate() {
            sql += &format!(" WHEN {} THEN {}", at + 1, self.in_type(bound, &kind)?);
        }
        Ok(Bound::grouped(&(sql + " END"), kind, true))
    }

    fn builtin(&mut self, name: &str, call: &Call) -> Result<Bound, SqlError> {
        if call.distinct || call.star || !call.within_group.is_empty() {
            return Err(errors::syntax_near(&call.name.object));
        }
        let arguments: Vec<_> = call.arguments.iter().map(|argument| self.value(argument)).collect::<Result<_, _>>()?;
        let Some(signature) = function::resolve(self, name, &arguments)? else {
            return Err(errors::unknown_function(&call.name.object));
        };
        self.apply(&signature, &arguments)
    }

    /// A call of a function whose types are settled.
    pub(crate) fn apply(&mut self, signature: &function::Signature, arguments: &[Bound]) -> Result<Bound, SqlError> {
        let mut passed = Vec::new();
        for (bound, kind) in arguments.iter().zip(&signature.arguments) {
            passed.push((self.in_type(bound, kind)?, kind.clone()));
        }
        let constants: Option<Vec<Datum>> = arguments.iter().map(|bound| bound.constant.clone()).collect();
        if let Some(constants) = constants
            && !signature.volatile
            && let Some(value) = self.known(signature, arguments, &constants)
        {
            return Ok(self.constant(value, signature.returns.clone(), signature.nullable));
        }
        let sql = self.call_site(&passed, signature.volatile, signature.body.clone());
        Ok(Bound::new(sql, signature.returns.clone(), signature.nullable))
    }

    /// What a function of constants gives; an error is left for the time when it runs.
    fn known(&self, signature: &function::Signature, arguments: &[Bound], constants: &[Datum]) -> Option<Datum> {
        let settings = crate::sql::value::convert::Settings { style: None, order: self.core.date_order() };
        let mut values = Vec::new();
        for ((constant, bound), kind) in constants.iter().zip(arguments).zip(&signature.arguments) {
            values.push(crate::sql::value::convert::convert(constant, &bound.r#type, kind, settings).ok()?);
        }
        (signature.body)(&values).ok()
    }

    /// `sys.fn_x(..)`, `db.sys.fn_x(..)`.
    fn schema_function(&mut self, call: &Call) -> Result<Bound, SqlError> {
        let schema = call.name.schema.clone().unwrap_or_else(|| "dbo".to_owned());
        let unknown = || errors::unknown_qualified_function(&schema, &call.name.object);
        let function = self.core.scalar_function(&schema, &call.name.object).ok_or_else(unknown)?;
        let database = match &call.name.database {
            Some(name) => self.core.in_database(name)?,
            None => self.database.clone(),
        };
        let full_name = format!("{schema}.{}", call.name.object);
        if call.arguments.len() < function.parameters.len() {
            return Err(errors::too_few_arguments(&full_name));
        }
        if call.arguments.len() > function.parameters.len() {
            return Err(errors::too_many_arguments(&full_name));
        }
        let mut arguments = Vec::new();
        for (argument, (name, kind)) in call.arguments.iter().zip(&function.parameters) {
            let bound = match argument {
                Expr::Literal(Literal::Null) => {
                    Bound { null: true, constant: Some(Datum::Null), ..Bound::new("NULL", kind.clone(), true) }
                }
                _ => self.value(argument)?,
            };
            let sql = self.in_type(&bound, kind)?;
            let constant = bound.constant.filter(|_| bound.r#type == *kind);
            arguments
                .push(((*name).to_owned(), Bound { constant, null: false, ..Bound::new(sql, kind.clone(), true) }));
        }
        match &function.body {
            FunctionBody::Native(body) => {
                let body = *body;
                let passed: Vec<_> = arguments.into_iter().map(|(_, bound)| (bound.sql, bound.r#type)).collect();
                let sql = self.call_site(&passed, false, std::sync::Arc::new(body));
                Ok(Bound::new(sql, function.returns.clone(), true))
            }
            FunctionBody::Expression(text) => {
                let expr = parse::expression(text).map_err(SqlError::from)?;
                let bound = self.in_function(database, arguments, |binder| {
                    let bound = binder.value(&expr)?;
                    binder.in_type(&bound, &function.returns)
                })?;
                Ok(Bound::new(bound, function.returns.clone(), true))
            }
        }
    }

    /// Binds the body of a function or view: in its database, with its parameters and nothing else in sight.
    pub(crate) fn in_function<T>(
        &mut self,
        database: crate::sql::exec::InDatabase,
        parameters: Vec<(String, Bound)>,
        body: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        const MAX_DEPTH: usize = 32;
        if self.depth >= MAX_DEPTH {
            return Err(SqlError::new(
                217,
                16,
                1,
                "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).",
            ));
        }
        self.depth += 1;
        let database = std::mem::replace(&mut self.database, database);
        let scopes = std::mem::take(&mut self.scopes);
        let ctes = std::mem::take(&mut self.ctes);
        self.substitutions.push(parameters);
        let result = body(self);
        self.substitutions.pop();
        self.ctes = ctes;
        self.scopes = scopes;
        self.database = database;
        self.depth -= 1;
        result
    }

    /// An argument's value, found before the statement runs.
    pub(crate) fn evaluate(&mut self, bound: &Bound, kind: &Type) -> Result<Datum, SqlError> {
        if bound.null {
            return Ok(Datum::Null);
        }
        let sql = self.in_type(bound, kind)?;
        self.core.evaluate(&sql, &self.parameters, kind)
    }
}
