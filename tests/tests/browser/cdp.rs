//! One page of a headless Chromium, driven by its DevTools protocol over a WebSocket.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tributary_tests::{Browser, RunFolder, wait_for};

const START: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(90);

/// A page, and the browser around it, which ends with it.
pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
    _browser: Child,
    _profile: RunFolder,
}

impl Page {
    /// Starts a browser with an empty page that has the focus, as a page in front of a person has.
    pub(crate) async fn open() -> Result<Self> {
        let profile = RunFolder::new("browser")?;
        let mut command = Browser::find()?.command(&profile);
        command.arg("--remote-debugging-port=0").arg("about:blank");
        let browser = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn()?;
        let port = wait_for(START, "the port of the browser", || port_of(profile.path())).await?;
        let targets = wait_for(START, "the page of the browser", || targets_of(port)).await?;
        let (socket, _) = connect_async(targets).await.context("connect to the page")?;
        let mut page = Self { socket, calls: 0, _browser: browser, _profile: profile };
        page.call("Page.enable", json!({})).await?;
        page.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true})).await?;
        Ok(page)
    }

    /// Opens an address and waits until its scripts have run.
    pub(crate) async fn goto(&mut self, url: &str) -> Result<()> {
        let answer = self.call("Page.navigate", json!({"url": url})).await?;
        if let Some(error) = answer.get("errorText") {
            bail!("open {url}: {error}");
        }
        let loaded = format!("location.href.split('#')[0] === {} && document.readyState === 'complete'", json!(url));
        self.wait_until(&loaded, ANSWER).await
    }

    /// Runs a script in each document before its own scripts.
    pub(crate) async fn before_scripts(&mut self, script: &str) -> Result<()> {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await.map(drop)
    }

    /// The value of an expression in the page.
    pub(crate) async fn eval(&mut self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", params).await?;
        match answer.get("exceptionDetails") {
            Some(exception) => bail!("{expression}: {exception}"),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true.
    pub(crate) async fn wait_until(&mut self, expression: &str, limit: Duration) -> Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            // While a page makes way for the next one there is nothing to ask.
            if matches!(self.eval(expression).await, Ok(Value::Bool(true))) {
                return Ok(());
            }
            if begun.elapsed() > limit {
                let page = self.eval("document.body && document.body.innerText").await.unwrap_or_default();
                bail!("{expression} did not become true within {limit:?}; the page says: {page}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Moves the pointer, as a hand at the desk does.
    pub(crate) async fn move_pointer(&mut self, x: u32, y: u32) -> Result<()> {
        let params = json!({"type": "mouseMoved", "x": x, "y": y});
        self.call("Input.dispatchMouseEvent", params).await.map(drop)
    }

    async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let call = json!({"id": self.calls, "method": method, "params": params});
        self.socket.send(Message::text(call.to_string())).await?;
        let answer = async {
            loop {
                let frame = self.socket.next().await.context("the browser has ended")??;
                let Message::Text(text) = frame else { continue };
                let message: Value = serde_json::from_str(&text)?;
                if message["id"] == self.calls {
                    return anyhow::Ok(message);
                }
            }
        };
        let answer =
            tokio::time::timeout(ANSWER, answer).await.with_context(|| format!("{method} is not answered"))??;
        match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].clone()),
        }
    }
}

/// The first line of the file that the browser writes when it listens.
async fn port_of(profile: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
    text.lines().next()?.parse().ok()
}

/// The WebSocket address of the first page.
async fn targets_of(port: u16) -> Option<String> {
    let list = reqwest::get(format!("http://127.0.0.1:{port}/json/list")).await.ok()?;
    let targets: Vec<Value> = list.json().await.ok()?;
    let page = targets.into_iter().find(|target| target["type"] == "page")?;
    Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
}
