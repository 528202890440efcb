//! How the stages are joined: a byte budget, the one bridge from I/O to CPU, the one clock, and what a run tells
//! whoever watches it. Knows nothing of Graph, tables or lakes.

mod budget;
mod clock;
mod event;
mod pool;

pub use budget::{ByteBudget, BytePermit, Held};
pub use clock::Clock;
pub use event::{Event, Observer, RequestKind, Silent};
pub use pool::{ComputePool, JobPanicked, PoolError};
