//! libnetwork's remote IPAM driver. It is there for those who ask for it, `--ipam-driver NAME`: the engine's own IPAM
//! does with the network driver as well.
//!
//! Networks ask for a pool and addresses in it before they are made: the gateway's, auxiliary ones; endpoints later for
//! theirs. Pools are counted, so that the same one may be asked for again.

use super::{
    Plugin,
    network::{address, subnet, unexpected},
    shapes::{
        AddressRequested, AddressSpaces, IpamCapabilities, Nothing, PoolAddress, PoolRequested,
        ReleasePool, RequestPool,
    },
};
use crate::control::{
    ControlError,
    guest::{Guest, GuestReply, PoolRequest},
};

/// Address spaces: pools of one do not overlap.
const SPACES: AddressSpaces = AddressSpaces {
    local_default_address_space: "vswitch-local",
    global_default_address_space: "vswitch-global",
};

type Outcome<T> = Result<T, ControlError>;

pub(super) async fn capabilities(_: Plugin, _: Nothing) -> Outcome<IpamCapabilities> {
    Ok(IpamCapabilities {
        needs_mac: false,
        needs_replay: false,
    })
}

pub(super) async fn spaces(_: Plugin, _: Nothing) -> Outcome<AddressSpaces> {
    Ok(SPACES)
}

pub(super) async fn request_pool(plugin: Plugin, asked: RequestPool) -> Outcome<PoolRequested> {
    if let Some(key) = asked.options.keys().next() {
        return Err(ControlError::invalid(format!(
            "IPAM option {key:?}: unknown; there are none, leave out --ipam-opt"
        )));
    }
    let whole = |what, text: &str| match text {
        "" => Ok(None),
        text => subnet(what, text).map(Some),
    };
    let request = PoolRequest {
        space: asked.address_space,
        subnet: whole("subnet", &asked.pool)?,
        range: whole("ip-range", &asked.sub_pool)?,
        ipv6: asked.v6,
    };
    if let (None, Some(range)) = (request.subnet, request.range) {
        return Err(ControlError::invalid(format!(
            "ip-range {range}: a range of no subnet; give --subnet, too"
        )));
    }
    let GuestReply::Pool(given) = plugin.control.guest(Guest::PoolRequest(request)).await? else {
        return Err(unexpected("subnet"));
    };
    Ok(PoolRequested {
        pool_id: given.pool,
        pool: given.subnet.to_string(),
        data: Nothing {},
    })
}

pub(super) async fn release_pool(plugin: Plugin, asked: ReleasePool) -> Outcome<Nothing> {
    let pool = asked.pool;
    plugin.control.guest(Guest::PoolRelease { pool }).await?;
    Ok(Nothing {})
}

pub(super) async fn request_address(
    plugin: Plugin,
    asked: PoolAddress,
) -> Outcome<AddressRequested> {
    let request = Guest::AddressRequest {
        address: address("address", &asked.address)?,
        pool: asked.pool,
    };
    let GuestReply::Address(given) = plugin.control.guest(request).await? else {
        return Err(unexpected("address"));
    };
    Ok(AddressRequested {
        address: given.to_string(),
        data: Nothing {},
    })
}

pub(super) async fn release_address(plugin: Plugin, asked: PoolAddress) -> Outcome<Nothing> {
    let Some(address) = address("address", &asked.address)? else {
        return Err(ControlError::invalid(format!(
            "address of pool {}: none is given; name the one to release",
            asked.pool
        )));
    };
    let pool = asked.pool;
    plugin
        .control
        .guest(Guest::AddressRelease { pool, address })
        .await?;
    Ok(Nothing {})
}

#[cfg(test)]
mod tests;
