use std::collections::HashSet;

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr};
use tributary_api::{Error, Result};

const ROOTS: [&str; 5] = ["event", "profile", "product", "signal", "now"];

/// Functions whose cost is bounded by the size of their input. Regular expressions are not allowed: they would be
/// compiled for every event.
const FUNCTIONS: [&str; 8] = ["size", "startsWith", "endsWith", "contains", "int", "uint", "double", "string"];

/// The maximum nesting of operations. Each level takes about 30 KB of the evaluating thread's stack, and a stack
/// overflow ends the process. A chain of `+` is nested too.
const MAX_DEPTH: usize = 24;

/// The cost of an expression, computed when it is compiled.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// The signals used.
    pub(super) signals: HashSet<String>,
    /// Whether it looks at the product.
    pub(super) product: bool,
    /// The number of nodes; those of comprehensions over literal lists count once for each item.
    pub(super) steps: usize,
    /// The maximum number of nodes evaluated for each item of a list; a comprehension over the result of another adds
    /// to it.
    pub(super) chain: usize,
}

/// Refuses an expression that uses unknown names or could run long; returns the cost of others.
pub(super) fn check(ast: &IdedExpr, signals: &[&str]) -> Result<Bounds> {
    let mut check = BoundsCheck {
        signals,
        used: HashSet::new(),
        product: false,
        scope: Vec::new(),
        depth: 0,
        nodes: 0,
        literals: 0,
        chain: 0,
    };
    check.visit(ast, 0)?;
    Ok(Bounds {
        signals: check.used,
        product: check.product,
        steps: check.nodes + check.literals,
        chain: check.chain + 1,
    })
}

/// The number of items in a literal list that a comprehension iterates over.
fn written(range: &IdedExpr) -> usize {
    match &range.expr {
        Expr::List(list) => list.elements.len(),
        Expr::Map(map) => map.entries.len(),
        Expr::Call(call) => call.args.iter().map(written).sum(),
        Expr::Comprehension(inner) => written(&inner.iter_range),
        _ => 0,
    }
}

struct BoundsCheck<'a> {
    signals: &'a [&'a str],
    used: HashSet<String>,
    product: bool,
    /// Variables of the enclosing comprehensions.
    scope: Vec<&'a str>,
    depth: usize,
    nodes: usize,
    literals: usize,
    chain: usize,
}

impl<'a> BoundsCheck<'a> {
    fn visit(&mut self, node: &'a IdedExpr, comprehensions: usize) -> Result<()> {
        if self.depth == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} operations are within each other: write it flatter");
            return Err(Error::config(message));
        }
        self.depth += 1;
        let visited = self.operation(node, comprehensions);
        self.depth -= 1;
        visited
    }

    fn operation(&mut self, node: &'a IdedExpr, comprehensions: usize) -> Result<()> {
        self.nodes += 1;
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(name, None),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) => self.variable(name, Some(&select.field)),
                _ => self.visit(&select.operand, comprehensions),
            },
            Expr::Call(call) => {
                function(&call.func_name)?;
                call.target.iter().try_for_each(|target| self.visit(target, comprehensions))?;
                call.args.iter().try_for_each(|arg| self.visit(arg, comprehensions))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|item| self.visit(item, comprehensions)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, comprehensions)?;
                    self.visit(&entry.value, comprehensions)
                }
                EntryExpr::StructField(field) => self.visit(&field.value, comprehensions),
            }),
            Expr::Struct(_) => Err(Error::config("a rule cannot construct messages")),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, comprehensions),
        }
    }

    fn comprehension(&mut self, inner: &'a ComprehensionExpr, around: usize) -> Result<()> {
        if around > 0 {
            return Err(Error::config("all, exists, map and filter cannot be nested"));
        }
        let outer = std::mem::take(&mut self.chain);
        self.visit(&inner.iter_range, around)?;
        let below = std::mem::replace(&mut self.chain, outer);
        self.visit(&inner.accu_init, around)?;
        let (before, nodes) = (self.scope.len(), self.nodes);
        self.scope.extend([inner.iter_var.as_str(), inner.accu_var.as_str()]);
        self.scope.extend(inner.iter_var2.as_deref());
        for part in [&inner.loop_cond, &inner.loop_step, &inner.result] {
            self.visit(part, around + 1)?;
        }
        self.scope.truncate(before);
        let body = self.nodes - nodes;
        self.literals = self.literals.saturating_add(body.saturating_mul(written(&inner.iter_range)));
        self.chain = self.chain.max(body + below);
        Ok(())
    }

    fn variable(&mut self, name: &str, field: Option<&str>) -> Result<()> {
        if self.scope.contains(&name) {
            return Ok(());
        }
        if !ROOTS.contains(&name) {
            return Err(Error::config(format!("variable {name} is unknown: there are {}", ROOTS.join(", "))));
        }
        self.product |= name == "product";
        match (name, field) {
            ("signal", Some(signal)) if self.signals.contains(&signal) => {
                self.used.insert(signal.to_owned());
                Ok(())
            }
            ("signal", Some(signal)) => {
                Err(Error::config(format!("signal {signal} is unknown: there are {}", self.signals.join(", "))))
            }
            ("signal", None) => Err(Error::config("signal cannot be used alone: write signal.<name>")),
            _ => Ok(()),
        }
    }
}

fn function(name: &str) -> Result<()> {
    let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    if operator || FUNCTIONS.contains(&name) {
        return Ok(());
    }
    Err(Error::config(format!("function {name} cannot be used: there are {}", FUNCTIONS.join(", "))))
}
