use std::path::Path;

use serde_yaml_ng::{Mapping, Value};

use super::{File, Finding};

const FILE: &str = "docker-compose.yml";

/// The set of servers as containers: each service can be had, in one certain version, and all that it names is there.
pub(super) fn check(files: &[File], root: &Path) -> Vec<Finding> {
    let file = files.iter().find(|file| file.path == FILE);
    file.map(|file| problems(&file.text, root))
        .unwrap_or_default()
        .into_iter()
        .map(|text| Finding::error(FILE, text))
        .collect()
}

fn problems(text: &str, root: &Path) -> Vec<String> {
    let document: Mapping = match serde_yaml_ng::from_str(text) {
        Ok(document) => document,
        Err(error) => return vec![format!("no YAML map: {error}")],
    };
    let Some(services) = document.get("services").and_then(Value::as_mapping) else {
        return vec!["it has no services".into()];
    };
    let volumes = document.get("volumes").and_then(Value::as_mapping);
    let mut problems = Vec::new();
    for (name, service) in services {
        let name = name.as_str().unwrap_or_default();
        let found = image(service, root)
            .into_iter()
            .chain(waits(service, services))
            .chain(mounts(service).into_iter().filter_map(|source| mount(source, volumes, root)));
        problems.extend(found.map(|problem| format!("{name}: {problem}")));
    }
    problems
}

fn image(service: &Value, root: &Path) -> Option<String> {
    if let Some(build) = service.get("build") {
        let context = build.as_str().or_else(|| build.get("context")?.as_str()).unwrap_or(".");
        let dockerfile = build.get("dockerfile").and_then(Value::as_str).unwrap_or("Dockerfile");
        let path = root.join(context).join(dockerfile);
        return (!path.is_file()).then(|| format!("there is no {}", path.display()));
    }
    match service.get("image").and_then(Value::as_str) {
        None => Some("it needs an image or a build".into()),
        // After the last slash: a registry's port has a colon too.
        Some(image) => match image.rsplit('/').next().and_then(|name| name.split_once(':')) {
            Some((_, tag)) if tag != "latest" => None,
            _ => Some(format!("{image} names no version")),
        },
    }
}

/// The services that it waits for, and that are not there.
fn waits(service: &Value, services: &Mapping) -> Vec<String> {
    let names: Vec<&Value> = match service.get("depends_on") {
        Some(Value::Mapping(map)) => map.keys().collect(),
        Some(Value::Sequence(list)) => list.iter().collect(),
        _ => Vec::new(),
    };
    let missing = names.into_iter().filter(|name| !services.contains_key(name));
    missing.map(|name| format!("it waits for {}, which is no service", name.as_str().unwrap_or_default())).collect()
}

fn mounts(service: &Value) -> Vec<&str> {
    let volumes = service.get("volumes").and_then(Value::as_sequence);
    volumes.into_iter().flatten().filter_map(|volume| volume.as_str()?.split(':').next()).collect()
}

fn mount(source: &str, volumes: Option<&Mapping>, root: &Path) -> Option<String> {
    let there = if source.starts_with('.') {
        root.join(source).exists()
    } else {
        source.starts_with('/') || volumes.is_some_and(|volumes| volumes.contains_key(source))
    };
    (!there).then(|| format!("it mounts {source}, which is neither in the checkout nor a volume"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(service: &str) -> Vec<String> {
        problems(
            &format!("services:\n  a: {service}\n  b: {{image: x:1}}\nvolumes: {{v: {{}}}}"),
            Path::new("/nowhere"),
        )
    }

    #[test]
    fn a_whole_service_is_fine() {
        assert_eq!(of("{image: registry:5000/x:1.2, depends_on: [b], volumes: ['v:/data']}"), Vec::<String>::new());
    }

    #[test]
    fn finds_what_is_not_there() {
        for service in [
            "{}",
            "{image: x}",
            "{image: x:latest}",
            "{image: registry:5000/x}",
            "{build: .}",
            "{image: x:1, depends_on: [c]}",
            "{image: x:1, depends_on: {c: {condition: service_healthy}}}",
            "{image: x:1, volumes: ['w:/data']}",
            "{image: x:1, volumes: ['./configs:/data']}",
        ] {
            assert_eq!(of(service).len(), 1, "{service}: {:?}", of(service));
        }
    }

    #[test]
    fn finds_broken_yaml() {
        assert_eq!(problems("services: [", Path::new("/")).len(), 1);
        assert_eq!(problems("volumes: {}", Path::new("/")).len(), 1);
    }
}
