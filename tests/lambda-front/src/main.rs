//! `lambda-front --port 9202 --function upsert=target/release/lambda-upsert`: the front as a program of its own, to work on
//! a function by hand. A function's variables are those of the front.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use lambda_front::{Function, Functions, LambdaFront};

/// Answers as AWS Lambda's Invoke API and runs the functions named.
#[derive(Debug, Parser)]
struct Cli {
    /// The port of 127.0.0.1 on which it listens.
    #[arg(long, default_value_t = 9202)]
    port: u16,
    /// A function: its name and its program. Can be given several times.
    #[arg(long = "function", value_name = "NAME=PROGRAM", required = true, value_parser = function)]
    functions: Vec<(String, PathBuf)>,
    /// Seconds until a function is killed.
    #[arg(long, default_value_t = 60)]
    timeout: u64,
    /// How many invocations of one function may run at once.
    #[arg(long, default_value_t = 10)]
    concurrency: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let functions = cli.functions.into_iter().fold(Functions::new().keep(0), |functions, (name, program)| {
        let function = Function::process(program);
        let function = function.timeout(Duration::from_secs(cli.timeout)).reserved_concurrency(cli.concurrency);
        functions.with(name, function)
    });
    let front = LambdaFront::start_on(functions, cli.port).await?;
    tracing::info!(url = front.url(), "the front listens");
    tokio::signal::ctrl_c().await.context("wait for Ctrl-C")?;
    front.stop().await;
    Ok(())
}

fn function(text: &str) -> Result<(String, PathBuf)> {
    let (name, program) = text.split_once('=').context("a function is NAME=PROGRAM")?;
    Ok((name.to_owned(), program.into()))
}
