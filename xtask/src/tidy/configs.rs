use serde_json::{Map, Value};

use super::{File, Finding};

/// The folders of connector files.
const CONNECTORS: [&str; 2] = ["configs/connectors/", "configs/sqlserver/"];

/// The files that a worker reads at its start: connectors as a flat map or in the shape of a POST, rules as YAML.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    files.iter().filter_map(|file| check_file(file).err().map(|message| Finding::error(&file.path, message))).collect()
}

fn check_file(file: &File) -> Result<(), String> {
    let is_connector = CONNECTORS.iter().any(|folder| file.path.starts_with(folder));
    if is_connector && file.path.ends_with(".json") {
        check_connector(&file.text)
    } else if file.path.starts_with("configs/rules/") && file.path.ends_with(".yaml") {
        serde_yaml_ng::from_str::<serde_yaml_ng::Mapping>(&file.text)
            .map(|_| ())
            .map_err(|error| format!("no YAML map: {error}"))
    } else if file.path.starts_with("configs/") && file.path.ends_with(".json") {
        serde_json::from_str::<Value>(&file.text).map(|_| ()).map_err(|error| format!("no JSON: {error}"))
    } else {
        Ok(())
    }
}

fn check_connector(text: &str) -> Result<(), String> {
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| format!("no JSON map: {error}"))?;
    let config = match fields.get("config") {
        Some(Value::Object(config)) => config,
        Some(_) => return Err("`config` must be a map".into()),
        None => &fields,
    };
    if let Some((name, _)) = config.iter().find(|(_, value)| value.is_object() || value.is_array()) {
        return Err(format!("`{name}` must be a string, number or boolean, as in Connect's flat configurations"));
    }
    let text = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = text(&fields, "name").ok_or("`name` is missing")?;
    if text(config, "name").is_some_and(|inner| inner != name) {
        return Err("the two `name` differ".into());
    }
    text(config, "connector.class").map(|_| ()).ok_or_else(|| "`connector.class` is missing".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(text: &str) -> Option<String> {
        check(&[File::new("configs/connectors/a.json", text)]).pop().map(|finding| finding.message)
    }

    #[test]
    fn both_shapes_of_a_connector_are_fine() {
        assert_eq!(connector(r#"{"name": "a", "connector.class": "X", "tasks.max": 1}"#), None);
        assert_eq!(connector(r#"{"name": "a", "config": {"connector.class": "X"}}"#), None);
    }

    #[test]
    fn names_what_is_wrong_with_a_connector() {
        for (text, says) in [
            ("{", "no JSON map"),
            (r#"{"connector.class": "X"}"#, "`name`"),
            (r#"{"name": "a"}"#, "`connector.class`"),
            (r#"{"name": "a", "config": []}"#, "`config`"),
            (r#"{"name": "a", "config": {"name": "b", "connector.class": "X"}}"#, "differ"),
            (r#"{"name": "a", "connector.class": "X", "topics": ["t"]}"#, "`topics`"),
        ] {
            assert!(connector(text).is_some_and(|message| message.contains(says)), "{text}");
        }
    }

    #[test]
    fn finds_broken_rules_and_data() {
        let broken = [
            File::new("configs/rules/a.yaml", "a: [1"),
            File::new("configs/rules/b.yaml", "just text"),
            File::new("configs/demo/c.json", "{"),
        ];
        assert_eq!(check(&broken).len(), 3);
        assert!(check(&[File::new("configs/rules/a.yaml", "offers: []")]).is_empty());
    }
}
