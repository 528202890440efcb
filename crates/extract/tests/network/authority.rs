//! An authority of one's own, and a server with a certificate of it: TLS with HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What a connection that speaks TLS begins with: the type of a handshake's record.
const TLS_HANDSHAKE: u8 = 22;

/// An authority: its certificate in PEM, and a server that has one of it.
pub(crate) struct Authority {
    pub(crate) pem: String,
    acceptor: TlsAcceptor,
    /// Connections that began to speak in the clear.
    in_the_clear: Arc<AtomicUsize>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let (key, mut params) = (key(), CertificateParams::default());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("an authority").pem();
        let issuer = Issuer::new(params, key);
        let key = self::key();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate with its key");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { pem, acceptor: TlsAcceptor::from(Arc::new(config)), in_the_clear: Arc::default() }
    }

    /// How often somebody spoke http to it: to the twin of each server, at the same host and port. He is let go.
    pub(crate) fn in_the_clear(&self) -> usize {
        self.in_the_clear.load(Ordering::Relaxed)
    }

    /// Serves until the test ends; a client that does not trust it is let go.
    pub(crate) async fn serve(&self, router: Router, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.expect("a loopback server accepts");
            let (acceptor, router) = (self.acceptor.clone(), router.clone());
            let in_the_clear = Arc::clone(&self.in_the_clear);
            tokio::spawn(async move {
                if is_clear(&stream).await {
                    in_the_clear.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                if let Ok(stream) = acceptor.accept(stream).await {
                    let service = TowerToHyperService::new(router);
                    // How a connection ends is the client's affair.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                }
            });
        }
    }
}

/// Whether a connection says anything, and not as TLS does.
async fn is_clear(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0] != TLS_HANDSHAKE
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
