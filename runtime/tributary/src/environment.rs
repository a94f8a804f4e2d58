//! Settings in the environment, named as the Docker images of Kafka Connect name them.

use tributary_api::Props;

const PREFIX: &str = "CONNECT_";

/// The settings in environment variables `CONNECT_*`: `_` is a dot, `__` an underscore, `___` a dash. Log levels
/// (`CONNECT_LOG4J_*`) are not settings of the worker.
pub(crate) fn settings(variables: impl Iterator<Item = (String, String)>) -> Props {
    variables
        .filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX).filter(|name| !name.starts_with("LOG4J_"))?;
            Some((property(name), value))
        })
        .collect()
}

fn property(name: &str) -> String {
    let (mut property, mut underscores) = (String::with_capacity(name.len()), 0);
    for character in name.chars() {
        if character == '_' {
            underscores += 1;
            continue;
        }
        property.push_str(separator(underscores));
        underscores = 0;
        property.push(character.to_ascii_lowercase());
    }
    property.push_str(separator(underscores));
    property
}

fn separator(underscores: usize) -> &'static str {
    match underscores {
        0 => "",
        1 => ".",
        2 => "_",
        _ => "-",
    }
}

/// The JAAS file set for Java in `KAFKA_OPTS` (`-Djava.security.auth.login.config=FILE`); the last one counts.
pub(crate) fn login_config(mut variables: impl Iterator<Item = (String, String)>) -> Option<String> {
    let (_, options) = variables.find(|(name, _)| name == "KAFKA_OPTS")?;
    let mut files =
        options.split_whitespace().filter_map(|option| option.strip_prefix("-Djava.security.auth.login.config="));
    files.next_back().map(|file| file.trim_matches(['"', '\'']).to_owned())
}

/// The log levels in `CONNECT_LOG4J_ROOT_LOGLEVEL` and `CONNECT_LOG4J_LOGGERS` (`logger=LEVEL,...`), the root first.
pub(crate) fn log_levels(variables: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut levels = Vec::new();
    for (name, value) in variables {
        match name.as_str() {
            "CONNECT_LOG4J_ROOT_LOGLEVEL" => levels.insert(0, ("root".to_owned(), value)),
            "CONNECT_LOG4J_LOGGERS" => levels.extend(
                value
                    .split(',')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(logger, level)| (logger.trim().to_owned(), level.trim().to_owned())),
            ),
            _ => {}
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        let owned: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        owned.into_iter()
    }

    #[test]
    fn names_are_those_of_the_docker_images() {
        let found = settings(variables(&[
            ("CONNECT_BOOTSTRAP_SERVERS", "a:1"),
            ("CONNECT_A__B_C___D", "x"),
            ("CONNECT_LOG4J_ROOT_LOGLEVEL", "WARN"),
            ("PATH", "/bin"),
        ]));
        let expected = [("bootstrap.servers", "a:1"), ("a_b.c-d", "x")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn the_login_configuration_is_javas() {
        let options =
            "-Xmx1g -Djava.security.auth.login.config=/a -Dx=y -Djava.security.auth.login.config=/b/jaas.conf";
        assert_eq!(
            login_config(variables(&[("PATH", "/bin"), ("KAFKA_OPTS", options)])).as_deref(),
            Some("/b/jaas.conf")
        );
        assert_eq!(login_config(variables(&[("KAFKA_OPTS", "-Xmx1g")])), None);
        assert_eq!(login_config(variables(&[])), None);
    }

    #[test]
    fn log_levels_are_recognised() {
        let found = log_levels(variables(&[
            ("CONNECT_LOG4J_LOGGERS", "a.b=DEBUG, c=WARN"),
            ("CONNECT_LOG4J_ROOT_LOGLEVEL", "ERROR"),
        ]));
        let expected = [("root", "ERROR"), ("a.b", "DEBUG"), ("c", "WARN")];
        assert_eq!(found, expected.map(|(name, level)| (name.to_owned(), level.to_owned())));
    }
}
