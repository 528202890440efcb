//! The channel between two stages. It is bounded, and knows how long either end waited for the other.

use tokio::sync::mpsc;

use crate::waits::Waits;

/// The end of the stage before.
#[derive(Debug)]
pub struct Sender<T> {
    inner: mpsc::Sender<T>,
    full: Waits,
}

/// The end of the stage behind.
#[derive(Debug)]
pub struct Receiver<T> {
    inner: mpsc::Receiver<T>,
    empty: Waits,
}

/// The receiving end is gone: what is sent reaches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hand something on: the next stage has ended")]
pub struct ReceiverGone;

/// A channel in which up to `items` wait, at least one.
#[must_use]
pub fn channel<T>(items: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(items);
    let sender = Sender { inner: sender, full: Waits::default() };
    (sender, Receiver { inner: receiver, empty: Waits::default() })
}

impl<T> Sender<T> {
    /// The same end, whose waits for room are summed up there.
    #[must_use]
    pub fn noting(self, full: Waits) -> Self {
        Self { full, ..self }
    }

    /// Waits for room. Cancel-safe: what is dropped before there was room was not sent.
    pub async fn send(&self, item: T) -> Result<(), ReceiverGone> {
        self.full.during(self.inner.send(item)).await.map_err(|_| ReceiverGone)
    }

    /// Whether the receiving end is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Waits until the receiving end is gone.
    pub async fn closed(&self) {
        self.inner.closed().await;
    }
}

impl<T> Receiver<T> {
    /// The same end, whose waits for an item are summed up there.
    #[must_use]
    pub fn noting(self, empty: Waits) -> Self {
        Self { empty, ..self }
    }

    /// The next item; `None` once every sender is gone and nothing is left. Cancel-safe.
    pub async fn recv(&mut self) -> Option<T> {
        self.empty.during(self.inner.recv()).await
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), full: self.full.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn whoever_is_faster_waits() {
        for (making, taking, full_s, empty_s) in [(0, 1, 3, 0), (1, 0, 0, 4)] {
            let (full, empty) = (Waits::default(), Waits::default());
            let (sender, receiver) = channel(1);
            let (sender, mut receiver) = (sender.noting(full.clone()), receiver.noting(empty.clone()));
            let send = async move {
                for item in 0..4 {
                    sleep(making * SECOND).await;
                    sender.send(item).await.unwrap();
                }
            };
            let receive = async {
                // So that the first item is there when it is asked for, where making takes no time.
                sleep(taking * SECOND).await;
                let mut items = Vec::new();
                while let Some(item) = receiver.recv().await {
                    items.push(item);
                    sleep(taking * SECOND).await;
                }
                items
            };
            let ((), items) = tokio::join!(send, receive);
            assert_eq!(items, [0, 1, 2, 3]);
            assert_eq!((full.total(), empty.total()), (full_s * SECOND, empty_s * SECOND));
        }
    }

    #[tokio::test]
    async fn nobody_sends_to_who_is_gone() {
        let (sender, receiver) = channel(1);
        assert!(!sender.is_closed());
        drop(receiver);
        sender.closed().await;
        assert!(sender.is_closed());
        assert_eq!(sender.clone().send(()).await, Err(ReceiverGone));
    }
}
