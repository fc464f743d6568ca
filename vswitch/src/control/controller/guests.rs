//! Commands of front-ends that have objects of their own.

use super::Controller;
use crate::control::{
    ControlError,
    guest::{Guest, GuestReply},
    kernel::Kernel,
};

impl<K: Kernel> Controller<K> {
    /// Carries out what a front-end with objects of its own asks.
    ///
    /// # Errors
    /// As of [`Self::apply`].
    pub fn guest(&mut self, guest: Guest) -> Result<GuestReply, ControlError> {
        Err(ControlError::unavailable(format!(
            "{guest:?}: not there yet; use the control socket"
        )))
    }
}
