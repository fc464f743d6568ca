//! Frames of our own, generated and counted: where iperf3 itself is the bottleneck, and where a switch is to
//! be loaded with exactly so many frames of exactly this kind.
//!
//! A [`Plan`] says which ports send which streams how fast; [`run`] carries it out and tells an [`Outcome`]. The
//! ends are the hosts' own interfaces, TAP or veth, in their namespaces: a frame that a packet socket
//! sends there goes to the switch as one of the host's stack would, and one that the switch delivers is read there
//! by another packet socket. So it works with every switch that hosts can be put on.
//!
//! A thread for each port that sends and for each that counts. They share the cores with the switch, so what is
//! measured is how much the machine can do in all; with the kernel's bridge, which runs inside the
//! sender's call, the sender is the limit. Therefore three loads are told apart (RFC 2285 3.5):
//!
//! - *intended*: what the plan wants;
//! - *offered*: what was put into the interfaces, less where the machine was too slow to generate it;
//! - *refused*: the part of the offered load that an interface had no room for (the ring of a TAP is full, because
//!   the switch does not read it fast enough). It counts as lost, like a frame that meets a full input queue.
//!
//! | file | |
//! |---|---|
//! | `frame` | the test frame and the filter for it |
//! | `plan`, `pace` | what is sent when |
//! | `transmit`, `count`, `port` | the threads and their sockets |
//! | `tally`, `histogram`, `outcome` | what was seen, and what it means |
//! | `trial` | all of them together |

mod count;
mod frame;
mod histogram;
mod outcome;
mod pace;
mod plan;
mod port;
mod tally;
mod transmit;
mod trial;

use std::num::NonZeroU64;

use anyhow::{Context as _, Result};

pub(crate) use frame::FrameSize;
pub(crate) use histogram::Latency;
pub(crate) use outcome::{Outcome, Summary, Traffic};
pub(crate) use pace::{Pace, whole};
pub(crate) use plan::{Attention, Plan, Stream, Target, Transmitter, Until};
pub(crate) use port::Port;
pub(crate) use trial::run;

/// Lets the calling thread sleep for as long as it says, where the kernel adds 50 µs by default to save wake-ups.
fn wake_precisely() -> Result<()> {
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))
        .context("cannot set the timer slack of a thread")
}
