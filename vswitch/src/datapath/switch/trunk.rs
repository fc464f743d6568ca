//! Trunks: sources that deliver for many ports.

use super::{AddPortError, Switch};
use crate::datapath::worker::{Order, Source, TrunkId};
use crate::port::PortRx;

impl Switch {
    /// Serves a trunk: receiving halves, the first for the first worker and so on, that deliver
    /// for ports that they name themselves. Halves beyond the number of workers are closed.
    ///
    /// # Errors
    /// [`AddPortError::Watch`]; all halves are closed then.
    pub fn add_trunk(&self, halves: Vec<Box<dyn PortRx>>) -> Result<TrunkId, AddPortError> {
        let mut state = self.lock();
        let id = TrunkId(state.next_trunk);
        state.next_trunk += 1;
        for (worker, rx) in halves.into_iter().take(self.workers.len()).enumerate() {
            if let Err(error) = self.serve(worker, Source::Trunk(id), rx) {
                self.drop_trunk(id);
                return Err(error);
            }
        }
        Ok(id)
    }

    /// Removes a trunk. When this returns, its halves are closed.
    pub fn remove_trunk(&self, id: TrunkId) {
        let _state = self.lock();
        self.drop_trunk(id);
    }

    fn drop_trunk(&self, id: TrunkId) {
        for worker in &self.workers {
            let source = Source::Trunk(id);
            worker.order(Order::Remove { source });
        }
        self.settle();
    }

    /// Worker threads, so as many halves as a trunk can use.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        self.workers.len()
    }
}
