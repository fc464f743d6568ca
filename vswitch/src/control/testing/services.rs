//! Services that note what they are asked, and do nothing.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use ipnet::IpNet;
use vswitch_wire::OffloadSet;

use crate::{
    control::{
        ControlError,
        name::ObjectId,
        publish::Binding,
        services::{Directory, Home, InsideGateway, Service, Services},
    },
    port::{Port, memory},
};

/// Services that only note what they are asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeServices {
    notes: Arc<Mutex<Vec<String>>>,
    /// Somebody else has all ports of the host.
    ports_taken: Arc<AtomicBool>,
}

impl FakeServices {
    /// What was asked so far, and forgets it.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap())
    }

    /// From now on every port of the host is taken.
    pub(crate) fn refuse_to_publish(&self) {
        self.ports_taken.store(true, Ordering::Relaxed);
    }

    fn note(&self, line: String) -> Service {
        self.notes.lock().unwrap().push(line);
        Service::new(())
    }
}

impl Services for FakeServices {
    fn tell(&self, directory: Directory) {
        self.note(format!("{} zones", directory.zones.len()));
    }

    fn resolver(&self, home: &Home, _: &ObjectId) -> Result<Service, ControlError> {
        Ok(self.note(format!("resolver in {}", home.place.path().display())))
    }

    fn gateway_resolver(&self, _: &ObjectId, at: &[IpNet]) -> Result<Service, ControlError> {
        Ok(self.note(format!("names at {at:?}")))
    }

    fn inside_gateway(&self, gateway: &InsideGateway) -> Result<(Port, Service), ControlError> {
        let (port, end) = memory::pair(gateway.mtu, OffloadSet::NONE).unwrap();
        self.note(format!("gateway {:?}", gateway.addresses));
        Ok((port, Service::new(end)))
    }

    fn way_out(&self, interface: &str, subnets: &[IpNet]) -> Result<Service, ControlError> {
        Ok(self.note(format!("way out of {subnets:?} by {interface}")))
    }

    fn engine_began(&self) {
        self.note("engine began".to_owned());
    }

    fn publish(
        &self,
        binding: &Binding,
        _: &Home,
        addresses: &[IpAddr],
    ) -> Result<(u16, Service), ControlError> {
        if self.ports_taken.load(Ordering::Relaxed) {
            return Err(ControlError::conflict(format!("{binding}: taken; wait")));
        }
        let port = match binding.host_port {
            0 => 49_153,
            port => port,
        };
        Ok((port, self.note(format!("{binding} to {addresses:?}"))))
    }
}
