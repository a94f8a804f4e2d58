//! An expression as the catalogue shows it: `((1))`, `(getdate())`, `([price]>(0))`.

use super::ast::{BinaryOp, Call, Expr, Literal, TypeArgument, TypeName, UnaryOp};

/// A default, a check or a computed column as `sys.default_constraints` and its like show it.
pub(crate) fn default_text(expr: &Expr) -> String {
    format!("({})", text(expr))
}

fn text(expr: &Expr) -> String {
    match expr {
        Expr::Literal(literal) => literal_text(literal),
        Expr::Column(parts) => parts.iter().map(|part| bracketed(part)).collect::<Vec<_>>().join("."),
        Expr::Variable(name) => name.clone(),
        Expr::Unary(UnaryOp::Minus, inner) if is_number(inner) => {
            format!("(-{})", literal_text_bare(inner))
        }
        Expr::Unary(op, inner) => format!("{}{}", unary(*op), text(inner)),
        Expr::Binary(left, op @ (BinaryOp::And | BinaryOp::Or), right) => {
            format!("{} {} {}", text(left), symbol(*op), text(right))
        }
        Expr::Binary(left, op, right) => format!("{}{}{}", text(left), symbol(*op), text(right)),
        Expr::Not(inner) => format!("NOT ({})", text(inner)),
        Expr::IsNull { expr, negated } => format!("{} IS {}NULL", text(expr), not(*negated)),
        Expr::Between { expr, low, high, negated: false } => {
            format!("{0}>={1} AND {0}<={2}", text(expr), text(low), text(high))
        }
        Expr::Between { expr, low, high, negated: true } => {
            format!("({0}<{1} OR {0}>{2})", text(expr), text(low), text(high))
        }
        Expr::InList { expr, list, negated } => in_list(expr, list, *negated),
        Expr::Like { expr, pattern, escape, negated } => {
            let escape = escape.as_ref().map(|escape| format!(" ESCAPE {}", text(escape))).unwrap_or_default();
            format!("{} {}LIKE {}{escape}", text(expr), not(*negated), text(pattern))
        }
        Expr::Case { operand, branches, otherwise } => case(operand.as_deref(), branches, otherwise.as_deref()),
        Expr::Cast { expr, to, style, attempt } => {
            let style = style.as_ref().map(|style| format!(",{}", text(style))).unwrap_or_default();
            format!("{}CONVERT({},{}{style})", if *attempt { "TRY_" } else { "" }, type_text(to), text(expr))
        }
        Expr::Parse { expr, to, attempt, .. } => {
            format!("{}PARSE({} AS {})", if *attempt { "TRY_" } else { "" }, text(expr), type_text(to))
        }
        Expr::Call(call) => call_text(call),
        Expr::Collate(inner, collation) => format!("{} COLLATE {collation}", text(inner)),
        Expr::AtTimeZone(inner, zone) => format!("{} AT TIME ZONE {}", text(inner), text(zone)),
        // Defaults and checks hold no queries.
        Expr::InQuery { .. } | Expr::Exists(_) | Expr::Subquery(_) | Expr::Quantified { .. } => String::new(),
    }
}

fn in_list(expr: &Expr, list: &[Expr], negated: bool) -> String {
    let (op, joint) = if negated { ("<>", " AND ") } else { ("=", " OR ") };
    let comparisons: Vec<_> = list.iter().rev().map(|one| format!("{}{op}{}", text(expr), text(one))).collect();
    format!("({})", comparisons.join(joint))
}

fn case(operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) -> String {
    let mut out = "case".to_owned();
    if let Some(operand) = operand {
        out += &format!(" {}", text(operand));
    }
    for (when, then) in branches {
        out += &format!(" when {} then {}", text(when), text(then));
    }
    if let Some(otherwise) = otherwise {
        out += &format!(" else {}", text(otherwise));
    }
    out + " end"
}

fn call_text(call: &Call) -> String {
    let arguments: Vec<_> = call.arguments.iter().map(text).collect();
    let name = match &call.name.schema {
        Some(schema) => format!("{}.{}", bracketed(schema), bracketed(&call.name.object)),
        None => call.name.object.to_ascii_lowercase(),
    };
    if name == "current_timestamp" {
        return "getdate()".to_owned();
    }
    format!("{name}({})", if call.star { "*".to_owned() } else { arguments.join(",") })
}

fn type_text(to: &TypeName) -> String {
    let arguments: Vec<_> = to
        .arguments
        .iter()
        .map(|argument| match argument {
            TypeArgument::Number(number) => number.to_string(),
            TypeArgument::Max => "max".to_owned(),
        })
        .collect();
    let name = bracketed(&to.name.to_ascii_lowercase());
    if arguments.is_empty() { name } else { format!("{name}({})", arguments.join(",")) }
}

fn is_number(expr: &Expr) -> bool {
    use Literal::{Decimal, Float, Integer, Money};
    matches!(expr, Expr::Literal(Integer(_) | Decimal(_) | Float(_) | Money(_)))
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null => "NULL".to_owned(),
        Literal::Integer(digits) | Literal::Decimal(digits) | Literal::Float(digits) => format!("({digits})"),
        Literal::Money(digits) => format!("(${digits})"),
        Literal::Text { value, national } => {
            format!("{}'{}'", if *national { "N" } else { "" }, value.replace('\'', "''"))
        }
        Literal::Binary(bytes) => {
            format!("0x{}", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
        }
    }
}

fn literal_text_bare(expr: &Expr) -> String {
    let shown = text(expr);
    shown.trim_start_matches('(').trim_end_matches(')').to_owned()
}

fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

fn unary(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Plus => "+",
        UnaryOp::Minus => "-",
        UnaryOp::BitNot => "~",
    }
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Modulo => "%",
        BinaryOp::BitAnd => "&",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::Equal => "=",
        BinaryOp::NotEqual => "<>",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::And => "AND",
        BinaryOp::Or => "OR",
    }
}
