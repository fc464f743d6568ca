//! The JSON of the control socket: bodies of requests, bodies of replies.
//!
//! The shapes belong to the control plane, whose commands and replies they are; this module gathers them for
//! front-ends and clients and adds the one shape that only HTTP needs, the error. Requests refuse unknown fields;
//! replies may grow.
//!
//! | request | body | reply |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/networks` | | `[`[`NetworkSummary`]`]` |
//! | `POST /v1/networks` | [`NetworkCreate`] | 201 [`Created`] |
//! | `GET /v1/networks/{n}` | | [`NetworkInspect`] |
//! | `DELETE /v1/networks/{n}` | | 204 |
//! | `POST /v1/networks/prune` | | [`Pruned`] |
//! | `POST /v1/networks/{n}/connect` | [`Connect`] | 201 [`Connected`] |
//! | `POST /v1/networks/{n}/disconnect` | [`Disconnect`] | [`Disconnected`] |
//! | `GET /v1/networks/{n}/fdb` | | `[`[`FdbEntry`]`]` |
//! | `POST /v1/networks/{n}/fdb` | [`FdbAdd`] | 204 |
//! | `DELETE /v1/networks/{n}/fdb` | [`FdbRemove`] | 204 |
//! | `POST /v1/networks/{n}/fdb/flush` | [`FdbFlush`] | [`Flushed`] |
//! | `GET /v1/networks/{n}/fdb/stats` | | [`FdbStats`] |
//! | `GET /v1/networks/{n}/peers` | | `[`[`PeerInfo`]`]` |
//! | `POST /v1/networks/{n}/peers` | [`PeerRef`] | 204 |
//! | `DELETE /v1/networks/{n}/peers` | [`PeerRef`] | 204 |
//! | `GET /v1/sandboxes` | | `[`[`SandboxSummary`]`]` |
//! | `POST /v1/sandboxes` | [`SandboxCreate`] | 201 [`Created`] |
//! | `GET /v1/sandboxes/{n}` | | [`SandboxInspect`] |
//! | `DELETE /v1/sandboxes/{n}[?force=true]` | | [`Disconnected`] |
//! | `GET /v1/ports` | | `[`[`PortInfo`]`]` |
//! | `GET /v1/ports/{id}` | | [`PortInfo`] |
//! | `GET /v1/events` | | a stream of lines, each an [`Event`] |

use serde::{Deserialize, Serialize};

pub use crate::control::{
    command::{
        Connect, Disconnect, FdbAdd, FdbFlush, FdbRemove, NetworkCreate, PeerRef, SandboxCreate,
    },
    error::ErrorKind,
    view::{
        Connected, ContainerView, Created, Disconnected, Event, EventKind, FdbEntry, FdbKind,
        FdbStats, Flushed, InterfaceView, IpamConfigView, IpamView, LinkState, NetworkInspect,
        NetworkSummary, PeerInfo, PortInfo, Pruned, SandboxInspect, SandboxInterface, SandboxKind,
        SandboxSummary, Status, Totals, Traffic, TunnelStatus, UplinkFilter, UplinkStatus,
        WorkerStatus,
    },
};

/// The body of every reply that is not a success.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// One line: what, why, what to do.
    pub error: String,
    /// For programs.
    pub kind: ErrorKind,
}
