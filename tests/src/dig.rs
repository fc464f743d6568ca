//! Questions to a DNS server by the program `dig`, and its replies.

use crate::{Must, Sandbox};
use std::net::IpAddr;

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `NOERROR`, `NXDOMAIN`, ...
    pub status: String,
    /// `qr rd ra` and the like.
    pub flags: Vec<String>,
    /// The answer section, a record each: name, TTL, class, type, data.
    pub answers: Vec<[String; 5]>,
}

impl Reply {
    /// The data of the records, in their order.
    #[must_use]
    pub fn data(&self) -> Vec<&str> {
        self.answers
            .iter()
            .map(|record| record[4].as_str())
            .collect()
    }

    /// The data in alphabetical order.
    #[must_use]
    pub fn sorted(&self) -> Vec<&str> {
        let mut data = self.data();
        data.sort_unstable();
        data
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }
}

/// Asks the server at an address, from a sandbox: `words` are name, type and options.
///
/// # Panics
/// When there is no reply.
#[track_caller]
#[must_use]
pub fn dig(from: &Sandbox, server: IpAddr, words: &[&str]) -> Reply {
    let replies = dig_all(from, server, words);
    let [reply] = replies.as_slice() else {
        panic!("{words:?}: one reply was expected: {replies:?}");
    };
    reply.clone()
}

/// Asks several questions, as `words` say it, such as `a.example b.example`.
///
/// # Panics
/// When there is no reply.
#[track_caller]
#[must_use]
pub fn dig_all(from: &Sandbox, server: IpAddr, words: &[&str]) -> Vec<Reply> {
    let server = format!("@{server}");
    let fixed = [
        "dig", "-r", "+nocmd", "+nostats", "+tries=1", "+time=10", &server,
    ];
    let output = from.exec(&[&fixed, words].concat());
    let mut replies: Vec<Reply> = Vec::new();
    let mut in_answer = false;
    for line in output.ok().lines() {
        if let Some((_, rest)) = line.split_once("status: ") {
            let status = rest.split(',').next().must("a status").to_owned();
            let (flags, answers) = (Vec::new(), Vec::new());
            replies.push(Reply {
                status,
                flags,
                answers,
            });
        } else if let (Some(rest), Some(reply)) =
            (line.strip_prefix(";; flags: "), replies.last_mut())
        {
            let flags = rest.split(';').next().must("flags");
            reply.flags = flags.split_whitespace().map(str::to_owned).collect();
        } else if line.starts_with(";;") || line.is_empty() {
            in_answer = line.starts_with(";; ANSWER SECTION");
        } else if let (true, Some(reply)) = (in_answer, replies.last_mut()) {
            reply.answers.push(record(line));
        }
    }
    assert!(!replies.is_empty(), "no reply to {words:?}: {output:?}");
    replies
}

/// Its five columns; the last one may have blanks.
fn record(line: &str) -> [String; 5] {
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut next = || words.next().must("a column");
    let first = [next(), next(), next(), next()];
    let data = words.collect::<Vec<_>>().join(" ");
    let [name, ttl, class, kind] = first;
    [name, ttl, class, kind, data]
}
