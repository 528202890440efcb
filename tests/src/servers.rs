//! Real servers of objects on this machine: moto, which speaks S3, and Azurite, Microsoft's own emulator of Azure.
//!
//! Each is started on a free port, and lives as long as its value, or as the process of the test: it runs below a
//! supervisor that ends it when nobody holds its standard input any more. So one that lies in a `static` ends too,
//! and so does that of a test which is killed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::duckdb::python;

/// The account that Azurite knows, and its key: both are in its documentation.
pub const AZURITE_ACCOUNT: &str = "devstoreaccount1";
/// The key of that account.
pub const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// What moto takes for credentials: anything.
pub const MOTO_KEY: &str = "test";

/// Starts a server, and ends it at the end of its own input.
const SUPERVISOR: &str = "\
import subprocess, sys
quiet = subprocess.DEVNULL
server = subprocess.Popen(sys.argv[1:], stdin=quiet, stdout=quiet, stderr=quiet)
sys.stdin.read()
server.kill()
server.wait()
";

/// Makes a container: a request that has to be signed.
const MAKE_CONTAINER: &str = "\
import base64, hashlib, hmac, http.client, sys
from email.utils import formatdate
port, account, key, container = sys.argv[1:]
date, path = formatdate(usegmt=True), f'/{account}/{container}'
headers = f'x-ms-date:{date}\\nx-ms-version:2021-08-06'
signed = 'PUT' + '\\n' * 12 + f'{headers}\\n/{account}{path}\\nrestype:container'
digest = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
connection = http.client.HTTPConnection('127.0.0.1', int(port))
connection.request('PUT', path + '?restype=container', headers={
    'x-ms-date': date, 'x-ms-version': '2021-08-06', 'Content-Length': '0',
    'Authorization': f'SharedKey {account}:{base64.b64encode(digest).decode()}'})
answer = connection.getresponse()
assert answer.status in (201, 409), (answer.status, answer.read())
";

/// How often a port is tried while its server starts.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Far beyond what a start takes, also on a machine that builds at the same time.
const TRIES_MAX: u32 = 6_000;

/// A server of objects.
#[derive(Debug)]
pub struct Server {
    supervisor: Child,
    port: u16,
}

impl Server {
    /// moto's server of S3.
    #[must_use]
    pub fn moto() -> Self {
        let program = python().with_file_name("moto_server");
        Self::start(&program, |port| vec!["-H".into(), "127.0.0.1".into(), "-p".into(), port])
    }

    /// Azurite's server of blobs, which keeps them in memory.
    #[must_use]
    pub fn azurite() -> Self {
        let installed = || crate::root().join("target/tools/node/node_modules/.bin/azurite-blob");
        let program = std::env::var_os("PROMPTLAKE_AZURITE").map_or_else(installed, PathBuf::from);
        Self::start(&program, |port| {
            let flags = ["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"];
            let flags = flags.map(str::to_owned).into_iter();
            flags.chain(["--blobPort".to_owned(), port]).collect()
        })
    }

    fn start(program: &std::path::Path, arguments: impl Fn(String) -> Vec<String>) -> Self {
        assert!(program.exists(), "{} is missing: run `cargo ci` once, which installs it", program.display());
        let port = free_port();
        let mut command = Command::new(python());
        command.args(["-c", SUPERVISOR]).arg(program).args(arguments(port.to_string()));
        let supervisor = command.stdin(Stdio::piped()).spawn().expect("start python");
        let server = Self { supervisor, port };
        let ready = (0..TRIES_MAX).any(|_| {
            let answers = request(port, "GET", "/").is_ok();
            if !answers {
                std::thread::sleep(TRY_EVERY);
            }
            answers
        });
        assert!(ready, "{} never answered on port {port}", program.display());
        server
    }

    /// Where it is: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where Azurite's account is.
    #[must_use]
    pub fn azurite_endpoint(&self) -> String {
        format!("{}/{AZURITE_ACCOUNT}", self.url())
    }

    /// Makes a bucket in moto.
    pub fn make_bucket(&self, name: &str) {
        let answer = request(self.port, "PUT", &format!("/{name}")).expect("moto answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Makes a container in Azurite.
    pub fn make_container(&self, name: &str) {
        let mut command = Command::new(python());
        command.args(["-c", MAKE_CONTAINER, &self.port.to_string(), AZURITE_ACCOUNT, AZURITE_KEY, name]);
        let output = command.output().expect("start python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is the supervisor's sign to kill the server.
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().ok();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("find a free port");
    listener.local_addr().expect("it has an address").port()
}

/// The answer to a request without a body.
fn request(port: u16, method: &str, path: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let host = format!("127.0.0.1:{port}");
    write!(connection, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n")?;
    write!(connection, "Connection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
