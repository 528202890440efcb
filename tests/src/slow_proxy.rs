//! A slow line to a server: a TCP relay that lets bytes through to it at a rate, and for a while not at all.
//!
//! Only the way to the server is slow, over all connections together: what uploads is held back, and whoever only
//! waits for an answer to what passed is not. While the line stalls, requests stall with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// What passes at once: small enough that a slow line is slow evenly.
const CHUNK_BYTES: usize = 8 * 1024;

/// A relay on the loopback interface. Dropped, it closes all of its connections.
#[derive(Debug)]
pub struct SlowProxy {
    address: SocketAddr,
    line: Arc<Line>,
    relay: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug)]
struct Line {
    bytes_per_second: AtomicU32,
    uploaded_bytes: AtomicU64,
    state: Mutex<LineState>,
}

#[derive(Debug)]
struct LineState {
    /// When the bytes that were let through last have passed.
    free_at: Instant,
    /// Before this instant nothing passes.
    stalled_until: Instant,
}

impl SlowProxy {
    /// Relays to a server, at so many bytes a second on the way there.
    pub async fn start(server: SocketAddr, bytes_per_second: u32) -> Self {
        assert!(bytes_per_second > 0, "a line without a rate lets nothing pass");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("take a free port");
        let address = listener.local_addr().expect("it has an address");
        let now = Instant::now();
        let state = Mutex::new(LineState { free_at: now, stalled_until: now });
        let bytes_per_second = AtomicU32::new(bytes_per_second);
        let line = Arc::new(Line { bytes_per_second, uploaded_bytes: AtomicU64::new(0), state });
        let relay = tokio::spawn(relay(listener, server, Arc::clone(&line)));
        Self { address, line, relay }
    }

    /// Where it listens, as an origin: `http://127.0.0.1:1234`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets nothing through from now on, for so long.
    pub fn stall_for(&self, duration: Duration) {
        let until = Instant::now() + duration;
        let mut state = self.line.lock();
        state.stalled_until = state.stalled_until.max(until);
    }

    /// Lets so many bytes a second through from now on.
    pub fn set_rate(&self, bytes_per_second: u32) {
        assert!(bytes_per_second > 0, "a line without a rate lets nothing pass");
        self.line.bytes_per_second.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Bytes that went to the server until now.
    #[must_use]
    pub fn uploaded_bytes(&self) -> u64 {
        self.line.uploaded_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for SlowProxy {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

impl Line {
    fn lock(&self) -> std::sync::MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is the turn of so many bytes, one after the other over all connections.
    async fn pass(&self, bytes: usize) {
        let took = Duration::from_secs(bytes as u64) / self.bytes_per_second.load(Ordering::Relaxed);
        let turn = {
            let mut state = self.lock();
            let turn = state.free_at.max(state.stalled_until).max(Instant::now());
            state.free_at = turn + took;
            turn
        };
        sleep_until(turn + took).await;
        // A stall may have begun in the meantime, and be prolonged before it ends.
        loop {
            let until = self.lock().stalled_until;
            if Instant::now() >= until {
                break;
            }
            sleep_until(until).await;
        }
        self.uploaded_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

async fn relay(listener: TcpListener, server: SocketAddr, line: Arc<Line>) {
    // Dropped with this task, it ends the connections.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connection(client, server, Arc::clone(&line)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(client: TcpStream, server: SocketAddr, line: Arc<Line>) {
    // A server that is not there is a connection that closes, for the client to make of it what it does.
    let Ok(server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        // Refused, it only makes small answers slower.
        drop(stream.set_nodelay(true));
    }
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let down = async {
        drop(copy(&mut from_server, &mut to_client).await);
        drop(to_client.shutdown().await);
    };
    tokio::join!(upload(from_client, to_server, &line), down);
}

async fn upload(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &Line) {
    let mut chunk = vec![0; CHUNK_BYTES];
    // Either side that has gone ends it; so does the end of what there is to send.
    while let Ok(bytes @ 1..) = from.read(&mut chunk).await {
        line.pass(bytes).await;
        if to.write_all(&chunk[..bytes]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    /// A server that counts what it gets and then says how much it was.
    async fn counting_server() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut received = Vec::new();
                    stream.read_to_end(&mut received).await.unwrap();
                    stream.write_all(received.len().to_string().as_bytes()).await.unwrap();
                });
            }
        });
        address
    }

    async fn send(proxy: &SlowProxy, bytes: usize) -> (usize, Duration) {
        let began = Instant::now();
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.write_all(&vec![7; bytes]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer.parse().unwrap(), began.elapsed())
    }

    #[tokio::test]
    async fn all_connections_share_the_rate() {
        let proxy = SlowProxy::start(counting_server().await, 512 * 1024).await;
        let (one, other) = tokio::join!(send(&proxy, 128 * KIB), send(&proxy, 128 * KIB));
        assert_eq!((one.0, other.0), (128 * KIB, 128 * KIB));
        let longest = one.1.max(other.1);
        assert!(longest >= Duration::from_millis(480), "256 KiB at 512 KiB/s took {longest:?}");
        assert_eq!(proxy.uploaded_bytes(), 256 * KIB as u64);
    }

    #[tokio::test]
    async fn nothing_passes_while_it_stalls_and_all_does_after() {
        let proxy = SlowProxy::start(counting_server().await, 1 << 30).await;
        assert!(send(&proxy, 64 * KIB).await.1 < Duration::from_millis(400));
        proxy.stall_for(Duration::from_millis(400));
        let (received, took) = send(&proxy, 64 * KIB).await;
        assert_eq!(received, 64 * KIB);
        assert!(took >= Duration::from_millis(390), "{took:?}");
    }

    #[tokio::test]
    async fn a_stall_also_holds_what_waited_before_it() {
        let proxy = SlowProxy::start(counting_server().await, 64 * 1024).await;
        let stall = async {
            while proxy.uploaded_bytes() == 0 {
                tokio::task::yield_now().await;
            }
            proxy.stall_for(Duration::from_millis(600));
            let at_stall = proxy.uploaded_bytes();
            sleep_until(Instant::now() + Duration::from_millis(500)).await;
            assert_eq!(proxy.uploaded_bytes(), at_stall, "bytes passed a line that stalls");
        };
        let (sent, ()) = tokio::join!(send(&proxy, 32 * KIB), stall);
        assert_eq!(sent.0, 32 * KIB);
    }
}
