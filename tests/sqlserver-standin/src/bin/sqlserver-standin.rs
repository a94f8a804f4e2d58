//! The server as a process: for tests in other languages, for benches and for trying it out.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use sqlserver_standin::{Capture, Encryption, Standin, demo};

/// A server for tests that ordinary clients of SQL Server take for SQL Server, with change data capture.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port; 0 for a free one. Once it listens, a line with its address is printed.
    #[arg(long, default_value_t = 1433)]
    port: u16,
    /// The password of `sa`; not said: that in MSSQL_SA_PASSWORD, or the one that the README names.
    #[arg(long)]
    password: Option<String>,
    /// Keeps the data in this folder; else it is in memory and gone at the end.
    #[arg(long)]
    data: Option<PathBuf>,
    /// not-supported (no TLS at all), optional (as the client likes it), required, or strict (TLS from the first byte).
    #[arg(long, default_value = "optional", value_parser = encryption)]
    encryption: Encryption,
    /// Milliseconds between two scans of the log; without it changes are captured only by `EXEC sys.sp_cdc_scan`.
    #[arg(long, default_value_t = 5000)]
    capture_every: u64,
    /// No scans but those asked for by `EXEC sys.sp_cdc_scan`.
    #[arg(long)]
    stepped: bool,
    /// Decides what SQL Server leaves open, like the steps of log sequence numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Makes database `shop` with customers, products and orders, all captured, and changes it.
    #[arg(long)]
    demo: bool,
    /// Transactions of the demo a second; 0 for none.
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Writes the server's certificate to this file, for clients that are to trust it.
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Ends when standard input does: whoever started it is gone.
    #[arg(long)]
    exit_with_stdin: bool,
}

fn encryption(text: &str) -> Result<Encryption, String> {
    match text {
        "not-supported" => Ok(Encryption::NotSupported),
        "optional" => Ok(Encryption::Optional),
        "required" => Ok(Encryption::Required),
        "strict" => Ok(Encryption::Strict),
        other => Err(format!("{other} is none of not-supported, optional, required, strict")),
    }
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let capture = if arguments.stepped {
        Capture::Stepped
    } else {
        Capture::Every(Duration::from_millis(arguments.capture_every))
    };
    let mut builder = Standin::builder()
        .address(SocketAddr::new(arguments.host, arguments.port))
        .encryption(arguments.encryption)
        .password(password(arguments))
        .capture(capture)
        .seed(arguments.seed);
    if let Some(folder) = &arguments.data {
        builder = builder.folder(folder);
    }
    let standin = builder.start()?;
    if let Some(file) = &arguments.certificate {
        std::fs::write(file, standin.certificate_pem())?;
    }
    let _generator = if arguments.demo {
        demo::create(&standin)?;
        (arguments.rate > 0).then(|| demo::Generator::start(&standin, arguments.rate)).transpose()?
    } else {
        None
    };
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}", standin.address())?;
    out.flush()?;
    wait(arguments.exit_with_stdin)
}

fn password(arguments: &Arguments) -> String {
    let given = arguments.password.clone().or_else(|| std::env::var("MSSQL_SA_PASSWORD").ok());
    given.unwrap_or_else(|| sqlserver_standin::PASSWORD.to_owned())
}

/// Waits for the end: of standard input, or by a signal.
fn wait(exit_with_stdin: bool) -> Result<(), Box<dyn std::error::Error>> {
    if exit_with_stdin {
        let mut rest = [0; 1024];
        while io::stdin().read(&mut rest)? > 0 {}
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}
