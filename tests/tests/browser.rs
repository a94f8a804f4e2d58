//! Pages in a headless Chromium.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tributary_tests::{Browser, Tier, require};

#[tokio::test]
async fn the_browser_runs_the_script_of_a_page() -> Result<()> {
    if !require(Tier::Browser)? {
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let page = "<!doctype html><p id=sum>empty</p><script>sum.textContent = 40 + 2</script>";
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}", page.len());
    let browser = Browser::find()?;
    let document = tokio::select! {
        document = browser.document(&url, Duration::from_secs(60)) => document?,
        stopped = serve(listener, &answer) => anyhow::bail!("the page is no longer served: {stopped:?}"),
    };
    assert!(document.contains(r#"<p id="sum">42</p>"#), "{document}");
    Ok(())
}

/// Gives everyone the same answer, for ever: a browser also asks for an icon, and opens connections that it does not use.
async fn serve(listener: TcpListener, answer: &str) -> std::io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        if stream.read(&mut [0; 4096]).await? > 0 {
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}
