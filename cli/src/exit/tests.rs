use super::*;
use anyhow::anyhow;
use clap::error::ErrorKind;

/// `ExitCode` has no other way to be looked into.
fn is(code: ExitCode, number: u8) -> bool {
    format!("{code:?}") == format!("{:?}", ExitCode::from(number))
}

#[test]
fn the_promised_statuses() {
    assert!(is(code(Ok(ExitCode::SUCCESS)), 0));
    assert!(is(code(Ok(ExitCode::from(42))), 42));
    assert!(is(code(Err(anyhow!("refused"))), 1));
    assert!(is(code(Err(Told.into())), 1));
    assert!(is(
        code(Err(clap::Error::new(ErrorKind::ArgumentConflict).into())),
        2
    ));
    assert!(!is(ExitCode::from(1), 2), "the comparison can fail");
}

#[test]
fn a_closed_pipe_is_no_failure_but_a_full_disk_is() {
    assert!(is(code(Err(StdoutClosed.into())), 0));
    let full = std::io::Error::from_raw_os_error(28);
    assert!(is(code(Err(anyhow::Error::new(full).context("stdout"))), 1));
}

#[test]
fn a_child_ends_as_in_a_shell() {
    // Wait statuses: the exit code in the second byte, the signal in the first.
    assert!(is(of_child(ExitStatus::from_raw(0)), 0));
    assert!(is(of_child(ExitStatus::from_raw(7 << 8)), 7));
    assert!(is(of_child(ExitStatus::from_raw(255 << 8)), 255));
    assert!(is(of_child(ExitStatus::from_raw(15)), 143));
    assert!(is(of_child(ExitStatus::from_raw(9)), 137));
}

#[test]
fn causes_follow_what_failed_once() {
    let cause = std::io::Error::other("no such file");
    let error = anyhow::Error::new(cause).context("man pages");
    assert_eq!(text(&error), "man pages: no such file");
    let own = anyhow!("no such file").context("cannot open x: no such file; make it");
    assert_eq!(text(&own), "cannot open x: no such file; make it");
}
