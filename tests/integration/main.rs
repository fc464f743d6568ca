//! The one integration binary: the real daemon, real namespaces, real TAP devices. It needs the
//! capabilities of root over its own network and mount namespace; `tests/run` sees to that.

mod bad_input;
mod churn;
mod cli;
mod compare;
mod connectivity;
mod demo;
mod docker;
mod drops;
mod fdb;
mod idle;
mod isolation;
mod lifecycle;
mod macvlan;
mod names;
mod outward;
mod overlay;
mod published;
mod readme;
mod relay;
mod resolver;
mod restart;
mod sys;
mod throughput;
mod underlay;
mod uplink;
mod way_out;
