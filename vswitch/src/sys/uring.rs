//! Many writes in one system call: io_uring(7).
//!
//! A write to a TAP runs the receiver's stack and wakes the receiver. Where the sender, the switch and the receiver share
//! cores, each return from the call is a chance for the scheduler to change between them, frame by frame; a batch that
//! goes in one call is received as one. That, and the calls saved, is all that is wanted of io_uring here: nothing is in
//! flight when [`write_each`] returns.
//!
//! - **Order.** Writes are carried out in the order of the queue, within the call, because RWF_NOWAIT forbids the kernel to
//!   hand one to a thread of its own. A file that cannot do without waiting says EOPNOTSUPP (TAPs can since Linux 6.4).
//! - **Threads.** A ring belongs to one thread, which makes it when it begins ([`prepare_writes`]) or first needs it. Where
//!   io_uring is forbidden (seccomp, `kernel.io_uring_disabled`) or too old a thread tries once, and says [`Unavailable`]
//!   from then on.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::IoUring;
use io_uring::opcode::Write;
use io_uring::types::Fd;

/// Writes of one call; a power of two.
const ENTRIES: u32 = 128;

/// There is no io_uring for this, and nothing was written: write one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no io_uring that writes without waiting")]
pub struct Unavailable;

enum State {
    Untried,
    Ready(Box<IoUring>),
    Unavailable,
}

thread_local! {
    static RING: RefCell<State> = const { RefCell::new(State::Untried) };
}

/// Makes the calling thread's ring now, and not in the middle of its first batch.
pub fn prepare_writes() {
    RING.with_borrow_mut(|state| {
        state.tried();
    });
}

impl State {
    fn tried(&mut self) -> &mut Self {
        if matches!(self, Self::Untried) {
            *self = open();
        }
        self
    }
}

/// Writes each of `pieces` to a file, in order, each as if by a write(2) of its own, and tells the outcome of each by its
/// place, in any order. At most 128 are taken, from the first; returns how many. It does not wait, whatever the file's flags are.
///
/// # Errors
/// [`Unavailable`]: `done` was not called.
pub fn write_each<'a>(
    file: &impl AsRawFd,
    pieces: impl Iterator<Item = &'a [u8]>,
    done: impl FnMut(usize, io::Result<()>),
) -> Result<usize, Unavailable> {
    RING.with_borrow_mut(|state| {
        let State::Ready(ring) = state.tried() else {
            return Err(Unavailable);
        };
        let outcome = write_through(ring, file, pieces, done);
        if outcome.is_err() {
            *state = State::Unavailable;
        }
        outcome
    })
}

fn open() -> State {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_coop_taskrun()
        .build(ENTRIES);
    ring.map_or_else(
        |error| {
            tracing::info!(%error, "no io_uring: frames go to TAPs one by one");
            State::Unavailable
        },
        |ring| State::Ready(Box::new(ring)),
    )
}

/// On failure the ring is of no use any more.
fn write_through<'a>(
    ring: &mut IoUring,
    file: &impl AsRawFd,
    pieces: impl Iterator<Item = &'a [u8]>,
    done: impl FnMut(usize, io::Result<()>),
) -> Result<usize, Unavailable> {
    let mut queue = ring.submission();
    let mut queued = 0;
    for piece in pieces.take(ENTRIES as usize) {
        // No frame is that long.
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let write = Write::new(Fd(file.as_raw_fd()), piece.as_ptr(), length)
            .rw_flags(libc::RWF_NOWAIT)
            .build()
            .user_data(queued as u64);
        // SAFETY: `piece` and `file` outlive this function. It returns when the kernel has said of every write that it is
        // done, or when the ring has failed, and then the caller closes it: of the writes that the kernel had taken none
        // is under way, because none may wait, and the others go with the ring.
        if unsafe { queue.push(&write) }.is_err() {
            break;
        }
        queued += 1;
    }
    drop(queue);
    complete(ring, queued, done)?;
    Ok(queued)
}

/// Submits what is queued and tells the outcomes.
fn complete(
    ring: &mut IoUring,
    queued: usize,
    mut done: impl FnMut(usize, io::Result<()>),
) -> Result<(), Unavailable> {
    let mut open = queued;
    while open > 0 {
        match ring.submit_and_wait(open) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if open == queued => {
                tracing::warn!(%error, "io_uring fails: frames go to TAPs one by one");
                return Err(Unavailable);
            }
            Err(error) => {
                tracing::warn!(%error, lost = open, "io_uring fails");
                (0..open).for_each(|_| done(0, Err(io::Error::from_raw_os_error(libc::ENOBUFS))));
                return Ok(());
            }
        }
        for entry in ring.completion() {
            let result = entry.result();
            // The file is the same for all.
            if result == -libc::EOPNOTSUPP {
                return Err(Unavailable);
            }
            open -= 1;
            let outcome = if result < 0 {
                Err(io::Error::from_raw_os_error(-result))
            } else {
                Ok(())
            };
            let place = usize::try_from(entry.user_data()).unwrap_or(queued);
            done(place, outcome);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::iter;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn each_piece_is_a_write_of_its_own_and_in_order() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let pieces: Vec<Vec<u8>> = (0..200_u8)
            .map(|n| vec![n; usize::from(n) % 7 + 1])
            .collect();
        let mut places = Vec::new();
        let taken = write_each(
            &near,
            pieces[..8].iter().map(Vec::as_slice),
            |place, outcome| {
                outcome.unwrap();
                places.push(place);
            },
        );
        assert_eq!(taken, Ok(8));
        assert_eq!(places, [0, 1, 2, 3, 4, 5, 6, 7]);
        let mut heard = [0; 16];
        for piece in &pieces[..8] {
            let length = far.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], piece.as_slice());
        }
    }

    #[test]
    fn a_failure_is_told_for_its_piece_and_the_next_ones_follow() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let too_long = vec![0; 64 << 20];
        let mut outcomes = Vec::new();
        let pieces: [&[u8]; 3] = [b"one", &too_long, b"three"];
        let taken = write_each(&near, pieces.into_iter(), |place, outcome| {
            outcomes.push((place, outcome.is_ok()));
        });
        assert_eq!(taken, Ok(3));
        // The kernel may tell of a failure after what came behind it.
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(0, true), (1, false), (2, true)]);
        let mut heard = [0; 16];
        for piece in ["one", "three"] {
            let length = far.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], piece.as_bytes());
        }
    }

    #[test]
    fn a_file_that_is_full_does_not_make_anybody_wait() {
        let (mut reader, writer) = io::pipe().unwrap();
        let piece = [7_u8; 4096];
        let mut written = 0;
        let mut refused = 0;
        let taken = write_each(
            &writer,
            iter::repeat_n(piece.as_slice(), 40),
            |_, outcome| match outcome {
                Ok(()) => written += 1,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    refused += 1;
                }
            },
        );
        assert_eq!(taken, Ok(40));
        // Sixteen pages are what a pipe holds.
        assert_eq!((written, refused), (16, 24));
        drop(writer);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 16 * 4096);
    }

    #[test]
    fn more_than_a_call_has_room_for_are_left() {
        let null = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/null")
            .unwrap();
        let mut count = 0;
        let taken = write_each(&null, iter::repeat_n(&b"x"[..], 500), |_, outcome| {
            outcome.unwrap();
            count += 1;
        });
        assert_eq!((taken, count), (Ok(128), 128));
    }
}
