//! `docker:CONTAINER` as a reference to a sandbox: the network namespace of a container's process.
//!
//! The engine is asked before the command is made, and the command has both in it, the name and the process:
//! `docker:web@4242`, which is the form that the control plane opens, and remembers as `docker:web`.

use super::{Engine, EngineError};
use crate::control::ControlError;

const SCHEME: &str = "docker:";

impl Engine {
    /// The reference as the control plane understands it; others than `docker:CONTAINER` as they are.
    ///
    /// # Errors
    /// Not-found when there is no such container, or conflict when it does not run; unavailable without the engine.
    pub async fn sandbox(&self, reference: &str) -> Result<String, ControlError> {
        let Some(container) = reference.strip_prefix(SCHEME) else {
            return Ok(reference.to_owned());
        };
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if container.is_empty() || !container.chars().all(valid) {
            return Err(ControlError::invalid(format!(
                "sandbox {reference:?}: not a container; write docker:NAME or docker:ID"
            )));
        }
        let found = self
            .container(container)
            .await
            .map_err(|error| match error {
                EngineError::NotFound(_) => ControlError::not_found(format!(
                    "sandbox {reference}: no such container; `docker ps` lists those that run"
                )),
                EngineError::Unreachable { .. } | EngineError::NoAnswer { .. } => {
                    ControlError::unavailable(format!("sandbox {reference}: {error}"))
                }
            })?;
        if found.state.pid == 0 {
            return Err(ControlError::conflict(format!(
                "sandbox {reference}: the container is not running ({}); run `docker start {container}` first",
                found.state.status
            )));
        }
        let name = found.name.trim_start_matches('/');
        Ok(format!("{SCHEME}{name}@{}", found.state.pid))
    }
}

#[cfg(test)]
mod tests;
