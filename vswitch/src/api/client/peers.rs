//! Calls about the peers of overlay networks.

use std::net::IpAddr;

use hyper::Method;

use super::{Client, ClientError, NOTHING, network_path};
use crate::api::types::{PeerInfo, PeerRef};

impl Client {
    /// `GET /v1/networks/{network}/peers`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn peers(&self, network: &str) -> Result<Vec<PeerInfo>, ClientError> {
        let target = network_path(network, "/peers");
        self.call(Method::GET, &target, NOTHING).await
    }

    /// `POST /v1/networks/{network}/peers`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn add_peer(&self, network: &str, ip: IpAddr) -> Result<(), ClientError> {
        self.change_peers(Method::POST, network, ip).await
    }

    /// `DELETE /v1/networks/{network}/peers`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_peer(&self, network: &str, ip: IpAddr) -> Result<(), ClientError> {
        self.change_peers(Method::DELETE, network, ip).await
    }

    async fn change_peers(
        &self,
        method: Method,
        network: &str,
        ip: IpAddr,
    ) -> Result<(), ClientError> {
        let target = network_path(network, "/peers");
        self.ask(method, &target, Some(&PeerRef { ip }))
            .await
            .map(|_| ())
    }
}
