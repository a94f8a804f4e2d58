//! A JAAS login configuration, as Java reads it from the file that `java.security.auth.login.config` names:
//! `Entry { module.Class required option="value"; };`

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// One module of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) class: String,
    pub(crate) flag: String,
    pub(crate) options: BTreeMap<String, String>,
}

/// The modules of an entry; nothing when there is no entry of that name.
///
/// # Errors
/// What is wrong, without anything of the text.
pub(crate) fn entry(text: &str, name: &str) -> Result<Option<Vec<Module>>, &'static str> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let mut found = None;
    while let Some(token) = tokens.next() {
        let Token::Word(entry) = token else { return Err("the name of an entry is missing") };
        let modules = modules(&mut tokens)?;
        if entry == name {
            found = Some(modules);
        }
    }
    Ok(found)
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

fn modules(tokens: &mut Peekable<impl Iterator<Item = Token>>) -> Result<Vec<Module>, &'static str> {
    expect(tokens, '{')?;
    let mut modules = Vec::new();
    while tokens.peek() != Some(&Token::Sign('}')) {
        let (class, flag) = (word(tokens)?, word(tokens)?);
        let mut options = BTreeMap::new();
        while tokens.peek() != Some(&Token::Sign(';')) {
            let option = word(tokens)?;
            expect(tokens, '=')?;
            options.insert(option, expanded(word(tokens)?)?);
        }
        expect(tokens, ';')?;
        modules.push(Module { class, flag, options });
    }
    expect(tokens, '}')?;
    expect(tokens, ';')?;
    Ok(modules)
}

fn word(tokens: &mut impl Iterator<Item = Token>) -> Result<String, &'static str> {
    match tokens.next() {
        Some(Token::Word(word)) => Ok(word),
        _ => Err("a word is missing: write Entry { module.Class required option=\"value\"; };"),
    }
}

fn expect(tokens: &mut impl Iterator<Item = Token>, sign: char) -> Result<(), &'static str> {
    match tokens.next() {
        Some(Token::Sign(found)) if found == sign => Ok(()),
        _ => Err("one of { } = ; is missing: write Entry { module.Class required option=\"value\"; };"),
    }
}

/// Java substitutes system properties; only the path separator is supported.
fn expanded(value: String) -> Result<String, &'static str> {
    let value = value.replace("${/}", "/");
    if value.contains("${") {
        return Err("a value contains a Java system property: write its value instead");
    }
    Ok(value)
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let (mut tokens, mut rest) = (Vec::new(), text.chars().peekable());
    while let Some(character) = rest.next() {
        match character {
            '/' if rest.next_if_eq(&'/').is_some() => drop(rest.by_ref().find(|c| *c == '\n')),
            '/' if rest.next_if_eq(&'*').is_some() => skip_comment(&mut rest)?,
            '"' | '\'' => tokens.push(Token::Word(quoted(&mut rest, character)?)),
            '{' | '}' | ';' | '=' => tokens.push(Token::Sign(character)),
            space if space.is_whitespace() => {}
            first => {
                let mut word = String::from(first);
                while let Some(next) = rest.next_if(|c| !c.is_whitespace() && !"{};=\"'".contains(*c)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn skip_comment(rest: &mut Peekable<Chars<'_>>) -> Result<(), &'static str> {
    while let Some(character) = rest.next() {
        if character == '*' && rest.next_if_eq(&'/').is_some() {
            return Ok(());
        }
    }
    Err("a comment has no end")
}

fn quoted(rest: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, &'static str> {
    let mut word = String::new();
    loop {
        match rest.next() {
            Some('\\') => word.push(match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => return Err("a quoted value has no end"),
            }),
            Some('\n') | None => return Err("a quoted value has no end"),
            Some(end) if end == quote => return Ok(word),
            Some(other) => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_entry_is_found_among_others() {
        let text = r#"
            // brokers
            KafkaClient { org.x.PlainLoginModule required username="u" password="a\"b;{}"; };
            /* REST */ KafkaConnect {
                org.x.PropertyFileLoginModule required
                file="/etc${/}pw.properties" debug='true' n=5;
                org.x.Other sufficient;
            };"#;
        let modules = entry(text, "KafkaConnect").unwrap().unwrap();
        assert_eq!((modules.len(), modules[0].flag.as_str()), (2, "required"));
        assert_eq!(modules[0].class, "org.x.PropertyFileLoginModule");
        let option = |name: &str| modules[0].options[name].as_str();
        assert_eq!((option("file"), option("debug"), option("n")), ("/etc/pw.properties", "true", "5"));
        let client = entry(text, "KafkaClient").unwrap().unwrap();
        assert_eq!(client[0].options["password"], "a\"b;{}");
        assert_eq!(entry(text, "Nope").unwrap(), None);
        assert_eq!(entry("", "KafkaConnect").unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_being_shown() {
        for text in [
            "KafkaConnect { a.B required secret=",
            "KafkaConnect { a.B required secret=\"x",
            "KafkaConnect { a.B required secret=\"x\" }",
            "KafkaConnect { a.B; };",
            "KafkaConnect a.B required;",
            "/* secret",
            "= secret",
            "KafkaConnect { a.B required file=\"${secret}\"; };",
            "KafkaConnect { a.B required; }",
        ] {
            let message = entry(text, "KafkaConnect").unwrap_err();
            assert!(!message.contains("secret"), "{text}: {message}");
        }
    }
}
