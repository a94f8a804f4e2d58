//! The report of an experiment on the command line: a running worker reads the topics, here it is shown.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use tributary_personalization::experiments::{Report, page, text};

use crate::cli::ReportArgs;

/// A worker gives up after 30 s.
const LIMIT: Duration = Duration::from_secs(60);
const MAX_REPORT_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) fn report(args: &ReportArgs) -> Result<()> {
    let json = match &args.from {
        Some(file) => read(file)?,
        None => fetch(args)?,
    };
    let report: Report = serde_json::from_str(&json).context("the answer is no report of an experiment")?;
    if report.experiment != args.experiment {
        bail!("the report is of experiment {}: ask for that one", report.experiment);
    }
    if let Some(file) = &args.html {
        fs::write(file, page(&report)).with_context(|| format!("write {}", file.display()))?;
    }
    let shown = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { text(&report) };
    io::stdout().write_all(shown.as_bytes()).context("print the report")
}

fn read(file: &Path) -> Result<String> {
    let mut json = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(MAX_REPORT_BYTES).read_to_string(&mut json)
    } else {
        fs::File::open(file).and_then(|opened| opened.take(MAX_REPORT_BYTES).read_to_string(&mut json))
    };
    read.with_context(|| format!("read {}", file.display()))?;
    Ok(json)
}

fn fetch(args: &ReportArgs) -> Result<String> {
    let mut url = reqwest::Url::parse(&args.url).with_context(|| format!("--url {} is no URL", args.url))?;
    let path = ["connectors", &args.connector, "transforms", &args.transform, "experiments", &args.experiment];
    match url.path_segments_mut() {
        Ok(mut segments) => drop(segments.pop_if_empty().extend(path)),
        Err(()) => bail!("--url {} is no URL of a server", args.url),
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(LIMIT).build().context("make a client of HTTP")?;
        let answer = client.get(url).send().await.context("ask the worker: is it running, and --url its listener?")?;
        let (status, body) = (answer.status(), answer.text().await.context("read the worker's answer")?);
        if !status.is_success() {
            let json: Option<serde_json::Value> = serde_json::from_str(&body).ok();
            let message = json.as_ref().and_then(|json| json["message"].as_str()).unwrap_or(&body);
            bail!("the worker answers {status}: {message}");
        }
        Ok(body)
    })
}
