//! What a network stack is given: the frames of the test type that reach the protocols above an interface, and
//! for whom the kernel takes them.
//!
//! A capture (see [`sniffer`](crate::sniffer)) stands below: on the parent of a macvlan device it sees what the
//! device then takes away. A packet socket for one EtherType stands above, where IP does, and is told what IP is
//! told: whether the frame is for this host. It asks for no promiscuous mode and sees nothing of what is sent.
//!
//! Perl, because the address of a packet socket cannot be read from Rust without `unsafe`.

use crate::{Must, Sandbox, deadline::SOON, frames::TEST_TYPE, sandbox::command_of};
use std::{
    fmt,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};
use vswitch::sys::netlink;

/// Says `ready`, then a line for each frame: `sll_pkttype` (packet(7)) and the frame.
const SCRIPT: &str = r#"
    my ($index, $type) = @ARGV;
    socket(my $s, 17, 3, 0) or die "socket: $!";
    # As much room as there is: for root, for others.
    setsockopt($s, 1, $_, pack("i", 1 << 23)) for 8, 33;
    bind($s, pack("SnlSCCa8", 17, $type, $index, 0, 0, 6, "")) or die "bind: $!";
    $| = 1;
    print "ready\n";
    while (defined(my $from = recv($s, my $frame, 4096, 0))) {
        my @address = unpack("SnlSCC", $from);
        print "$address[4] ", unpack("H*", $frame), "\n";
    }
    die "recv: $!";
"#;

/// `PACKET_OTHERHOST` of packet(7).
const OTHER_HOST: u8 = 3;

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether the stack takes it for its own: sent to it, to all, or to a group.
    pub taken: bool,
    /// The frame.
    pub frame: Vec<u8>,
}

/// How often a frame came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Copies {
    /// For this stack.
    pub taken: u8,
    /// For another, which IP drops.
    pub overheard: u8,
}

impl Copies {
    /// None.
    pub const NONE: Self = Self::new(0, 0);
    /// One, for this stack.
    pub const ONE: Self = Self::new(1, 0);
    /// One, for another.
    pub const OTHER: Self = Self::new(0, 1);

    /// So many.
    #[must_use]
    pub const fn new(taken: u8, overheard: u8) -> Self {
        Self { taken, overheard }
    }
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.taken, self.overheard) {
            (0, 0) => f.pad("-"),
            (taken, 0) => f.pad(&taken.to_string()),
            (0, overheard) => f.pad(&format!("o{overheard}")),
            (taken, overheard) => f.pad(&format!("{taken}+o{overheard}")),
        }
    }
}

#[derive(Debug, Default)]
struct Tape {
    seen: Mutex<Vec<Seen>>,
    grew: Condvar,
}

impl Tape {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that is open until the value is dropped.
#[derive(Debug)]
pub struct Observer {
    name: String,
    process: Child,
    tape: Arc<Tape>,
}

impl Observer {
    /// On the sandbox's first interface, from now on.
    ///
    /// # Panics
    /// When there is no such socket.
    #[track_caller]
    #[must_use]
    pub fn start(sandbox: &Sandbox) -> Self {
        let ifname = &sandbox.nic().ifname;
        let links = sandbox.run(netlink::links).must("list interfaces");
        let found = links.iter().find(|link| link.name == *ifname);
        let index = found.must("the interface").index.to_string();
        let words = ["perl", "-e", SCRIPT, &index, &TEST_TYPE.to_string()];
        let mut command = command_of(&words);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = sandbox.spawn(&mut command);
        let mut lines = BufReader::new(process.stdout.take().must("perl's stdout")).lines();
        let ready = lines.next().must("perl says something").must("perl");
        assert_eq!(ready, "ready", "{}", sandbox.name);
        let tape = Arc::new(Tape::default());
        let writer = Arc::clone(&tape);
        // Ends with the process.
        thread::spawn(move || {
            for seen in lines.map_while(Result::ok).filter_map(|line| read(&line)) {
                writer.seen().push(seen);
                writer.grew.notify_all();
            }
        });
        Self {
            name: sandbox.name.clone(),
            process,
            tape,
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often a frame has come so far.
    #[must_use]
    pub fn copies(&self, frame: &[u8]) -> Copies {
        let seen = self.tape.seen();
        let mut copies = Copies::NONE;
        for seen in seen.iter().filter(|seen| seen.frame == frame) {
            let count = if seen.taken {
                &mut copies.taken
            } else {
                &mut copies.overheard
            };
            *count = count.saturating_add(1);
        }
        copies
    }

    /// Waits until a frame has come, for whomever.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn expect(&self, frame: &[u8]) {
        let end = Instant::now() + SOON;
        let mut seen = self.tape.seen();
        while !seen.iter().rev().any(|seen| seen.frame == frame) {
            let left = end.saturating_duration_since(Instant::now());
            let shown = crate::sniffer::shown(frame);
            assert!(!left.is_zero(), "{}: {shown} does not come", self.name);
            let waited = self.tape.grew.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A line of the script.
fn read(line: &str) -> Option<Seen> {
    let (kind, digits) = line.split_once(' ')?;
    let kind: u8 = kind.parse().ok()?;
    let pairs = digits.as_bytes().chunks(2);
    let octets = pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    Some(Seen {
        taken: kind != OTHER_HOST,
        frame: octets.collect::<Option<Vec<u8>>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_copies_shown() {
        let seen = |taken| Seen {
            taken,
            frame: vec![0x0a, 0xff],
        };
        assert_eq!(read("0 0aff"), Some(seen(true)));
        assert_eq!(read("3 0aff"), Some(seen(false)));
        assert_eq!(read("3 0ag"), None);
        assert_eq!(read("ready"), None);
        let shown = [Copies::NONE, Copies::ONE, Copies::OTHER, Copies::new(2, 1)];
        assert_eq!(
            shown.map(|copies| copies.to_string()),
            ["-", "1", "o1", "2+o1"]
        );
    }
}
