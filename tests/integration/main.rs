//! The one integration binary: the real daemon, real namespaces, real TAP devices. It needs the
//! capabilities of root over its own network and mount namespace; `tests/run` sees to that.

mod bad_input;
mod cli;
mod connectivity;
mod drops;
mod fdb;
mod isolation;
mod lifecycle;
mod relay;
mod sys;
mod throughput;
