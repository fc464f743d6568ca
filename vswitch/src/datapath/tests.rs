//! The data path as a whole: first its stages on a [`bench`], in one thread and at chosen times,
//! then a whole [`Switch`](super::Switch) with its worker threads.

mod bench;
mod drops;
mod events;
mod hostile;
mod macvlan;
mod model;
mod offload;
mod relay;
mod threads;
