//! iperf3 between two hosts: a server that serves once, a client, and what the client says as JSON.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Bout;
use crate::candidate::Ends;
use crate::process::{self, Process, await_word};

/// What a client may take beyond its time: to connect, to get the server's results.
const GRACE: Duration = Duration::from_secs(10);

/// Runs both and gives the `end` part of what the client says. All of it is kept as the measurement's file, or that of
/// one of its trials.
pub(super) fn run(bout: Bout<'_>, options: &[&str], trial: Option<usize>) -> Result<Value> {
    let _server = server(bout.ends)?;
    let (address, port) = (
        bout.ends.at.ip().to_string(),
        bout.ends.at.port().to_string(),
    );
    let seconds = bout.time.as_secs().to_string();
    let mut client = Command::new("iperf3");
    client.args(["-J", "-t", &seconds, "-c", &address, "-p", &port]);
    client.args(options);
    let output = process::output(&bout.ends.client.netns, &mut client, bout.time + GRACE)?;
    bout.keep.write(trial, &output.stdout)?;
    end_of(&output.stdout)
}

/// A server that listens.
fn server(ends: Ends<'_>) -> Result<Process> {
    let mut command = Command::new("iperf3");
    let port = ends.listen().port().to_string();
    command.args(["-s", "-1", "--forceflush", "-p", &port]);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server =
        Process::start(&ends.server.netns, piped, Stdio::null()).context("install iperf3")?;
    let output = server.pipes().stdout.take();
    let output = output.context("the iperf3 server has no output")?;
    await_word(output, "Server listening", "the iperf3 server")?;
    Ok(server)
}

/// The results in what a client has said.
fn end_of(stdout: &[u8]) -> Result<Value> {
    let mut json: Value = serde_json::from_slice(stdout).context("iperf3 gave no JSON")?;
    if let Some(error) = json["error"].as_str() {
        bail!("iperf3: {error}");
    }
    Ok(json["end"].take())
}

/// A number at a place in the results.
pub(super) fn number(end: &Value, sum: &str, key: &str) -> Result<f64> {
    let value = &end[sum][key];
    value
        .as_f64()
        .with_context(|| format!("iperf3 gave {value} where {sum}.{key} should be a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_iperf3_is_an_error() {
        let said = br#"{"start": {}, "end": {}, "error": "unable to connect"}"#;
        let error = end_of(said).unwrap_err().to_string();
        assert_eq!(error, "iperf3: unable to connect");
        assert!(end_of(b"").is_err());
    }

    #[test]
    fn a_number_is_found_or_missed_by_name() {
        let end = end_of(br#"{"end": {"sum": {"packets": 7, "x": "y"}}}"#).unwrap();
        assert_eq!(number(&end, "sum", "packets").unwrap(), 7.0);
        let error = number(&end, "sum", "x").unwrap_err().to_string();
        assert!(error.contains("sum.x"), "{error}");
    }
}
