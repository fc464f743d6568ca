//! What the switch serves itself: names, gateways, published ports, the way out.
//!
//! The control plane decides what is served and until when ([`crate::control::services`]); here it is done. Every
//! running service ends when its handle is dropped, and takes its sockets, threads and rules with it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    control::{
        ControlError,
        name::ObjectId,
        publish::Binding,
        services::{Directory, Home, InsideGateway, Service, Services},
    },
    port::Port,
};

/// All services of this switch.
#[derive(Debug)]
pub struct Switchboard;

fn not_yet() -> ControlError {
    ControlError::unavailable("not served yet")
}

impl Services for Switchboard {
    fn tell(&self, _: Directory) {}

    fn resolver(&self, _: &Home, _: &ObjectId) -> Result<Service, ControlError> {
        Err(not_yet())
    }

    fn gateway_resolver(&self, _: &ObjectId, _: &[IpAddr]) -> Result<Service, ControlError> {
        Err(not_yet())
    }

    fn inside_gateway(&self, _: &InsideGateway) -> Result<(Port, Service), ControlError> {
        Err(not_yet())
    }

    fn way_out(&self, _: &str, _: &[IpNet]) -> Result<Service, ControlError> {
        Err(not_yet())
    }

    fn publish(&self, _: &Binding, _: &Home, _: &[IpAddr]) -> Result<(u16, Service), ControlError> {
        Err(not_yet())
    }
}
