//! The same requests to the Java Connect worker and to Tributary, on one broker: status, headers and body must be the
//! same. The table is the one that the REST crate's goldens were recorded with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tributary_tests::{Answer, Connect, ConnectOptions, Kafka, Tier, Tributary, WorkerOptions, require, unique};

use self::request::{GoldenRequest, without_position};

#[path = "../../../runtime/rest/tests/goldens/request.rs"]
mod request;

const REQUESTS: &str = include_str!("../../../runtime/rest/tests/goldens/requests.json");
/// What the table calls the source's file.
const FILE: &str = "golden.txt";
const LINES: &str = "one\ntwo\nthree\n";
const HEADERS: [&str; 3] = ["allow", "content-type", "location"];
/// What a worker says in its own words or of itself.
const OWN: [&str; 6] = ["commit", "documentation", "kafka_cluster_id", "recommended_values", "trace", "worker_id"];
/// Places, by beginning and end, in which the two are meant to differ.
const MEANT: [(&str, &str); 3] = [
    // Properties of transforms are in the order of their definition, and no predicate is an empty text.
    ("body/configs/transforms.", "/order_in_group"),
    ("body/configs/predicates.", "/order_in_group"),
    ("body/configs/transforms.a.predicate/", ""),
];
/// A Java worker itself gives up after 90 s.
const ANSWERED_WITHIN: Duration = Duration::from_secs(100);
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// The next look at a state that changes by itself.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

#[derive(Clone, Deserialize)]
struct Case {
    #[serde(flatten)]
    request: GoldenRequest,
    /// What the answer holds once the worker has done what was asked for before.
    #[serde(default)]
    until: Vec<String>,
    workers_differ: Option<String>,
}

#[tokio::test]
async fn every_answer_is_that_of_the_java_worker() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join(FILE);
    std::fs::write(&file, LINES)?;
    let requests = REQUESTS.replace(FILE, &file.to_string_lossy());
    let cases: Vec<Case> = serde_json::from_str(&requests)?;
    let kafka = Kafka::shared().await?;
    let flush = ("offset.flush.interval.ms", "500");
    let java = Connect::start(kafka, ConnectOptions::default().set(flush.0, flush.1)).await?;
    let ours = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("ours")).set(flush.0, flush.1)).await?;

    let mut differences = Vec::new();
    for case in cases {
        differences.extend(differ(java.rest().base(), ours.rest().base(), &case).await?);
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
    Ok(())
}

/// The requests accepted by the password extension: a header, or none.
const CREDENTIALS: [Option<&str>; 9] = [
    None,
    Some("Basic YWRtaW46Z2VoZWlt"), // admin:geheim
    Some("basic YWRtaW46Z2VoZWlt"),
    Some("Basic YWRtaW46d3Jvbmc="),     // admin:wrong
    Some("Basic YWRtaW46"),             // admin:
    Some("Basic YWRtaW4="),             // admin
    Some("Basic bm9ib2R5OmdlaGVpbQ=="), // nobody:geheim
    Some("Bearer x"),
    Some("Basic"),
];
const PROTECTED: [(&str, &str); 13] = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/connectors"),
    ("HEAD", "/connectors"),
    ("OPTIONS", "/connectors"),
    ("GET", "/connectors/x/tasks"),
    ("POST", "/connectors/x/tasks/0/restart"),
    ("PUT", "/connectors/x/fence"),
    ("POST", "/connectors/x/y/tasks"),
    ("DELETE", "/connectors/x"),
    ("GET", "/connector-plugins/Nope/config"),
    ("GET", "/admin/loggers/no.such.logger"),
    ("GET", "/nope"),
];

#[tokio::test]
async fn the_password_extension_accepts_the_same_users() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (login, passwords) = (folder.path().join("jaas.conf"), folder.path().join("passwords.properties"));
    let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
    std::fs::write(
        &login,
        format!("KafkaConnect {{\n  {module} required\n  file=\"{}\";\n}};\n", passwords.display()),
    )?;
    std::fs::write(&passwords, "admin=geheim\n")?;
    let kafka = Kafka::shared().await?;
    let java = Connect::start(kafka, ConnectOptions::default().basic_auth(&login)).await?;
    let extension = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
    let options = WorkerOptions::on_kafka(kafka, &unique("ours")).set("rest.extension.classes", extension);
    let options = options.env("KAFKA_OPTS", format!("-Djava.security.auth.login.config={}", login.display()));
    let ours = Tributary::start(options).await?;

    let mut differences = Vec::new();
    for (method, path) in PROTECTED {
        for credentials in CREDENTIALS {
            let headers: BTreeMap<String, String> =
                credentials.map(|value| ("Authorization".to_owned(), value.to_owned())).into_iter().collect();
            let name = format!("{method} {path} {credentials:?}");
            let case: Case =
                serde_json::from_value(json!({ "name": name, "method": method, "path": path, "headers": headers }))?;
            let (theirs, own) = (settle(java.rest().base(), &case).await?, settle(ours.rest().base(), &case).await?);
            differences.extend(compare(&case, &theirs, &own));
            if theirs.text != own.text && theirs.status == 401 {
                differences.push(format!("{}: text\n  java {}\n  ours {}", case.request.name, theirs.text, own.text));
            }
            if theirs.header("www-authenticate") != own.header("www-authenticate") {
                differences.push(format!("{}: www-authenticate", case.request.name));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
    Ok(())
}

/// What both workers do is asynchronous: what is read is read again while it differs, until a limit. Everything else is
/// asked for once.
async fn differ(java: &str, ours: &str, case: &Case) -> Result<Vec<String>> {
    let begun = Instant::now();
    loop {
        let (theirs, own) = (settle(java, case).await?, settle(ours, case).await?);
        let differences = compare(case, &theirs, &own);
        if !["GET", "HEAD", "OPTIONS"].contains(&case.request.method.as_str()) {
            know_the_same(java, ours).await?;
            return Ok(differences);
        }
        if differences.is_empty() || begun.elapsed() > SETTLED_WITHIN {
            return Ok(differences);
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// A Java worker may answer the next request from what it knew before a write. Waits until both list the same
/// connectors; if they never do, the cases that follow show it.
async fn know_the_same(java: &str, ours: &str) -> Result<()> {
    let begun = Instant::now();
    while connectors(java).await? != connectors(ours).await? && begun.elapsed() < SETTLED_WITHIN {
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    Ok(())
}

async fn connectors(base: &str) -> Result<BTreeSet<String>> {
    let response = reqwest::Client::new().get(format!("{base}/connectors")).timeout(ANSWERED_WITHIN).send().await?;
    // A worker with passwords does not tell; its requests change nothing.
    if !response.status().is_success() {
        return Ok(BTreeSet::new());
    }
    Ok(response.json().await?)
}

/// Asks again while the worker is in between, or until the answer holds what is waited for; then the last answer counts.
async fn settle(base: &str, case: &Case) -> Result<Answer> {
    let begun = Instant::now();
    loop {
        let answer = send(base, case).await?;
        let busy = answer.status == 409 && !answer.text.contains("already exists");
        let settled =
            if case.until.is_empty() { !busy } else { case.until.iter().all(|text| answer.text.contains(text)) };
        if settled || begun.elapsed() > SETTLED_WITHIN {
            return Ok(answer);
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn send(base: &str, case: &Case) -> Result<Answer> {
    let method = Method::from_bytes(case.request.method.as_bytes())?;
    let mut request = reqwest::Client::new().request(method, format!("{base}{}", case.request.path));
    for (name, value) in case.request.headers() {
        request = request.header(name, value);
    }
    if let Some(body) = case.request.body() {
        request = request.body(body);
    }
    let response = request.timeout(ANSWERED_WITHIN).send().await?;
    let status = response.status().as_u16();
    let mut kept = BTreeMap::new();
    for (name, value) in response.headers() {
        kept.insert(name.as_str().to_owned(), value.to_str()?.replace(base, ""));
    }
    Ok(Answer { status, headers: kept, text: response.text().await? })
}

fn compare(case: &Case, java: &Answer, ours: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |what: &str, java: String, ours: String| {
        if java != ours {
            found.push(format!("{}: {what}\n  java {java}\n  ours {ours}", case.request.name));
        }
    };
    if java.status != ours.status {
        check("status", format!("{} {}", java.status, java.text), format!("{} {}", ours.status, ours.text));
    }
    for name in HEADERS {
        match (java.header(name), ours.header(name).unwrap_or("none")) {
            (None, _) => {}
            (Some(java), ours) if name == "allow" => check(name, methods(java), methods(ours)),
            (Some(java), ours) => check(name, java.to_owned(), ours.to_owned()),
        }
    }
    if case.request.body_differs.is_none() && case.workers_differ.is_none() {
        for (place, java, ours) in leaves(&normal(java.json()), &normal(ours.json())) {
            let place = format!("body{place}");
            if !MEANT.iter().any(|(start, end)| place.starts_with(start) && place.ends_with(end)) {
                check(&place, java, ours);
            }
        }
    }
    found
}

fn methods(list: &str) -> String {
    format!("{:?}", list.split(',').map(str::trim).collect::<BTreeSet<_>>())
}

/// Without what each worker says in its own words, and without the place where a parser stopped.
fn normal(body: Value) -> Value {
    match body {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(name, _)| !OWN.contains(&name.as_str()))
            .map(|(name, value)| if name == "message" { (name, message(value)) } else { (name, normal(value)) })
            .collect(),
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        other => other,
    }
}

fn message(message: Value) -> Value {
    message.as_str().map(without_position).map_or(message, Value::String)
}

/// The smallest parts in which two values differ, each with its place.
fn leaves(java: &Value, ours: &Value) -> Vec<(String, String, String)> {
    let (java_parts, ours_parts) = match (parts(java), parts(ours)) {
        (Some(java), Some(ours)) => (java, ours),
        _ if java == ours => return Vec::new(),
        _ => return vec![(String::new(), java.to_string(), ours.to_string())],
    };
    let places: BTreeSet<&String> = java_parts.keys().chain(ours_parts.keys()).collect();
    let mut found = Vec::new();
    for place in places {
        match (java_parts.get(place), ours_parts.get(place)) {
            (Some(java), Some(ours)) => {
                found.extend(leaves(java, ours).into_iter().map(|(rest, a, b)| (format!("/{place}{rest}"), a, b)));
            }
            (java, ours) => {
                let text = |value: Option<&&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                found.push((format!("/{place}"), text(java), text(ours)));
            }
        }
    }
    found
}

/// Fields by name, and elements by their own name where they have one, else by number.
fn parts(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(fields) => Some(fields.iter().map(|(name, value)| (name.clone(), value)).collect()),
        Value::Array(items) => {
            Some(items.iter().enumerate().map(|(index, item)| (element(index, item), item)).collect())
        }
        _ => None,
    }
}

fn element(index: usize, item: &Value) -> String {
    let name = [&item["value"]["name"], &item["name"], &item["class"]].into_iter().find_map(Value::as_str);
    name.map_or_else(|| index.to_string(), str::to_owned)
}

fn case(name: &str) -> Result<Case> {
    let cases: Vec<Case> = serde_json::from_str(REQUESTS)?;
    match cases.into_iter().find(|case| case.request.name == name) {
        Some(case) => Ok(case),
        None => bail!("the table has no {name}"),
    }
}

#[test]
fn another_status_header_or_body_is_a_difference() -> Result<()> {
    let case = case("info")?;
    let answer = |status: u16, kind: &str, text: &str| Answer {
        status,
        headers: BTreeMap::from([("content-type".to_owned(), kind.to_owned())]),
        text: text.to_owned(),
    };
    let java = answer(200, "application/json", r#"{"a":1,"b":[{"name":"x","v":1}],"worker_id":"1"}"#);
    let count = |ours: &Answer| compare(&case, &java, ours).len();
    assert_eq!(count(&answer(200, "application/json", r#"{"b":[{"v":1,"name":"x"}],"a":1,"worker_id":"2"}"#)), 0);
    assert_eq!(count(&answer(201, "application/json", &java.text)), 1);
    assert_eq!(count(&answer(200, "text/plain", &java.text)), 1);
    assert_eq!(count(&answer(200, "application/json", r#"{"a":2,"b":[{"name":"x","v":2}]}"#)), 2);
    assert_eq!(count(&answer(200, "application/json", r#"{"a":1,"b":[{"name":"x","v":1},{"name":"y"}]}"#)), 1);
    Ok(())
}
