//! How the stages are joined: channels and a byte budget that know who waited, the one bridge from I/O to CPU, the one
//! clock, and what a run tells
//! whoever watches it. Knows nothing of Graph, tables or lakes.

mod budget;
mod channel;
mod clock;
mod event;
mod pool;
mod waits;

pub use budget::{ByteBudget, BytePermit, Held};
pub use channel::{Receiver, ReceiverGone, Sender, channel};
pub use clock::Clock;
pub use event::{Event, Observer, RequestKind, Silent};
pub use pool::{ComputePool, JobPanicked, PoolError};
pub use waits::Waits;
