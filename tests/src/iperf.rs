//! `iperf3` between two sandboxes.

use crate::{Must, Sandbox};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read},
    net::IpAddr,
    process::{Child, Command, Stdio},
};

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// UDP instead of TCP, with this many bits per second for each flow; 0 is "as fast as it goes".
    pub udp: Option<u64>,
    /// Parallel flows.
    pub flows: u8,
    /// The server sends and the client receives.
    pub reverse: bool,
    /// Seconds.
    pub seconds: u8,
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Bits per second that arrived.
    pub bits: f64,
    /// TCP segments sent again; 0 for UDP.
    pub retransmits: u64,
    /// Bytes that arrived.
    pub bytes: u64,
}

/// Runs a measurement: the server in `to`, the client in `from`.
///
/// # Panics
/// When it does not complete.
#[track_caller]
#[must_use]
pub fn run(from: &Sandbox, to: &Sandbox, address: IpAddr, run: Run) -> Figures {
    let mut server = start_server(to, address);
    let mut words = vec![
        "iperf3".to_owned(),
        "--json".to_owned(),
        "--client".to_owned(),
        address.to_string(),
        "--time".to_owned(),
        run.seconds.to_string(),
        "--parallel".to_owned(),
        run.flows.to_string(),
        // What is compared must not depend on the machine's default.
        "--connect-timeout".to_owned(),
        "10000".to_owned(),
    ];
    match run.udp {
        Some(rate) => words.extend(["--udp".to_owned(), "--bitrate".to_owned(), rate.to_string()]),
        None => words.extend(["--congestion".to_owned(), "cubic".to_owned()]),
    }
    if run.reverse {
        words.push("--reverse".to_owned());
    }
    // Ends of itself: iperf3 has a time, and an unreachable server is given up.
    let limit = (u32::from(run.seconds) + 30).to_string();
    let mut limited = vec!["timeout", &limit];
    limited.extend(words.iter().map(String::as_str));
    let output = from.exec(&limited);
    let _killed = server.kill();
    let _reaped = server.wait();
    let report = serde_json::from_str::<Value>(&output.stdout).must(&format!("{output:?}"));
    assert!(
        output.status == 0 && report["error"].is_null(),
        "{run:?}: {}",
        report["error"]
    );
    figures(&report["end"], run)
}

fn figures(end: &Value, run: Run) -> Figures {
    let received = if run.udp.is_some() {
        "sum"
    } else {
        "sum_received"
    };
    Figures {
        bits: end[received]["bits_per_second"]
            .as_f64()
            .must("bits_per_second"),
        retransmits: end["sum_sent"]["retransmits"].as_u64().unwrap_or(0),
        bytes: end[received]["bytes"].as_u64().must("bytes"),
    }
}

#[track_caller]
fn start_server(to: &Sandbox, address: IpAddr) -> Child {
    let mut server = to.spawn(
        Command::new("iperf3")
            .args([
                "--server",
                "--one-off",
                "--forceflush",
                "--bind",
                &address.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()),
    );
    let mut stdout = BufReader::new(server.stdout.take().must("iperf3's stdout"));
    let mut said = String::new();
    while !said.contains("Server listening") {
        let read = stdout.read_line(&mut said).must("iperf3's stdout");
        assert!(read > 0, "iperf3 does not listen: {said}");
    }
    // Its report must not meet a full pipe.
    std::thread::spawn(move || {
        let _drained = stdout.read_to_end(&mut Vec::new());
    });
    server
}
