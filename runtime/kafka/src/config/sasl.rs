use tributary_api::{Error, Result};

use super::{ClientConfig, Native};

/// The user's credentials, from Java's login module entry.
pub(super) fn translate(config: &ClientConfig, native: &mut Native) -> Result<()> {
    if !config.get("security.protocol").is_some_and(|protocol| protocol.to_ascii_lowercase().starts_with("sasl")) {
        return Ok(());
    }
    let mechanism = config.get("sasl.mechanism").unwrap_or("GSSAPI").to_ascii_uppercase();
    native.put("sasl.mechanism", &mechanism, "sasl.mechanism");
    let login = config.get("sasl.jaas.config").map(Login::parse).transpose()?;
    match mechanism.as_str() {
        "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
            let Some(login) = login else {
                return Err(Error::config_at(
                    "sasl.jaas.config",
                    format!("sasl.jaas.config is missing: {mechanism} needs a login module"),
                ));
            };
            native.put("sasl.username", login.required("username")?, "sasl.jaas.config");
            native.put("sasl.password", login.required("password")?, "sasl.jaas.config");
            Ok(())
        }
        "OAUTHBEARER" => oauth(config, login.as_ref(), native),
        _ => Err(Error::config_at(
            "sasl.mechanism",
            format!(
                "sasl.mechanism {mechanism} is not supported: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
            ),
        )),
    }
}

/// Tokens from an endpoint (OpenID Connect, client credentials), or Kafka's unsecured ones for trying out.
fn oauth(config: &ClientConfig, login: Option<&Login>, native: &mut Native) -> Result<()> {
    let option = |name: &str| login.and_then(|login| login.option(name)).map(str::to_owned);
    let setting = |name: &str| config.get(name).map(str::to_owned);
    if let Some(url) = setting("sasl.oauthbearer.token.endpoint.url") {
        native.put("sasl.oauthbearer.method", "oidc", "sasl.oauthbearer.token.endpoint.url");
        native.put("sasl.oauthbearer.token.endpoint.url", url, "sasl.oauthbearer.token.endpoint.url");
        let credentials = [
            ("client.id", "sasl.oauthbearer.client.credentials.client.id", "clientId"),
            ("client.secret", "sasl.oauthbearer.client.credentials.client.secret", "clientSecret"),
        ];
        for (to, java, in_login) in credentials {
            let Some(value) = setting(java).or_else(|| option(in_login)) else {
                return Err(Error::config_at(
                    java,
                    format!("{java} is missing: set it, or {in_login} in sasl.jaas.config"),
                ));
            };
            native.put(&format!("sasl.oauthbearer.{to}"), value, "sasl.jaas.config");
        }
        if let Some(scope) = setting("sasl.oauthbearer.scope").or_else(|| option("scope")) {
            native.put("sasl.oauthbearer.scope", scope, "sasl.oauthbearer.scope");
        }
        return Ok(());
    }
    let Some(principal) = option("unsecuredLoginStringClaim_sub") else {
        return Err(Error::config_at(
            "sasl.oauthbearer.token.endpoint.url",
            "sasl.oauthbearer.token.endpoint.url is missing: OAUTHBEARER needs it to get tokens from",
        ));
    };
    native.put("enable.sasl.oauthbearer.unsecure.jwt", true, "sasl.jaas.config");
    native.put("sasl.oauthbearer.config", format!("principal={principal}"), "sasl.jaas.config");
    Ok(())
}

/// One entry as `javax.security.auth.login.Configuration` writes it: a class, a flag, and `name=value` pairs, ended by
/// a semicolon; values may be quoted with backslash escapes.
struct Login(Vec<(String, String)>);

impl Login {
    fn parse(text: &str) -> Result<Self> {
        let mut words = words(text)?.into_iter();
        // The class and its flag are not needed: the mechanism determines them.
        if words.next().is_none_or(|class| class.1.is_some()) || words.next().is_none_or(|flag| flag.1.is_some()) {
            return Err(malformed("it must begin with a login module's class and the word required"));
        }
        let option = |(name, value): (String, Option<String>)| match value {
            Some(value) => Ok((name, value)),
            None => Err(malformed("an option has no value")),
        };
        words.map(option).collect::<Result<_>>().map(Self)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str> {
        self.option(name).ok_or_else(|| malformed(&format!("the option {name} is missing")))
    }
}

/// Words, each with what follows its equals sign, up to the first semicolon outside quotes.
fn words(text: &str) -> Result<Vec<(String, Option<String>)>> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        match rest.peek() {
            None | Some(';') => return Ok(words),
            Some(_) => {}
        }
        let name = word(&mut rest)?;
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let value = match rest.next_if_eq(&'=') {
            Some(_) => {
                while rest.next_if(|c| c.is_whitespace()).is_some() {}
                Some(word(&mut rest)?)
            }
            None => None,
        };
        words.push((name, value));
    }
}

fn word(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String> {
    let mut word = String::new();
    let Some(quote) = rest.next_if(|c| *c == '"' || *c == '\'') else {
        while let Some(c) = rest.next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';')) {
            word.push(c);
        }
        return Ok(word);
    };
    loop {
        match rest.next() {
            Some(c) if c == quote => return Ok(word),
            Some('\\') => word.extend(rest.next().map(|c| match c {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c => c,
            })),
            Some(c) => word.push(c),
            None => return Err(malformed("a quote is not closed")),
        }
    }
}

#[cold]
fn malformed(what: &str) -> Error {
    Error::config_at("sasl.jaas.config", format!("sasl.jaas.config cannot be read: {what}"))
}
