//! Events to any number of monitors.
//!
//! Publishing never waits: each monitor has a place in one bounded queue, and one that falls behind by more than
//! [`BACKLOG`] events loses the oldest and is told how many. Without monitors an event costs nothing.

use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    stamp,
    view::{Event, EventKind},
};

/// Events that a monitor may be behind.
pub const BACKLOG: usize = 1024;

/// Where events are published.
#[derive(Clone, Debug)]
pub struct EventHub(broadcast::Sender<Event>);

impl Default for EventHub {
    fn default() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }
}

impl EventHub {
    /// Whether somebody listens.
    pub fn watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells every monitor.
    pub fn publish(&self, what: EventKind) {
        // An error only says that nobody listens.
        if self.watched()
            && self
                .0
                .send(Event {
                    time: stamp::now(),
                    what,
                })
                .is_err()
        {
            tracing::trace!("the last monitor has just gone");
        }
    }

    /// A new monitor, from now on.
    pub fn subscribe(&self) -> Monitor {
        Monitor(self.0.subscribe())
    }
}

/// One monitor's place.
#[derive(Debug)]
pub struct Monitor(broadcast::Receiver<Event>);

impl Monitor {
    /// The next event; none when the switch ends. A [`EventKind::Lagged`] stands for events that were lost here.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(lost)) => Some(Event {
                time: stamp::now(),
                what: EventKind::Lagged { lost },
            }),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next event that is there already.
    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aged(entries: usize) -> EventKind {
        EventKind::FdbAged {
            network: "n".to_owned(),
            entries,
        }
    }

    #[tokio::test]
    async fn every_monitor_gets_every_event_and_a_slow_one_is_told() {
        let hub = EventHub::default();
        hub.publish(aged(0));
        let (mut one, mut two) = (hub.subscribe(), hub.subscribe());
        hub.publish(aged(1));
        assert_eq!(one.next().await.unwrap().what, aged(1));
        assert_eq!(two.next().await.unwrap().what, aged(1));
        for n in 0..BACKLOG + 7 {
            hub.publish(aged(n));
        }
        assert_eq!(
            one.next().await.unwrap().what,
            EventKind::Lagged { lost: 7 }
        );
        assert_eq!(one.next().await.unwrap().what, aged(7));
        drop(hub);
        while one.next().await.is_some() {}
    }
}
