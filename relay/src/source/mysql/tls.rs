//! TLS to the source, by rustls.

use std::{io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ConnectionError, packet::ByteStream};
use crate::config::Tls;

/// What was agreed on, for the report of `rowpost check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInUse {
    pub protocol: String,
    pub cipher_suite: String,
}

/// Runs the TLS handshake.
pub(super) async fn encrypt(
    stream: Box<dyn ByteStream>,
    host: &str,
    tls: &Tls,
) -> Result<TlsStream<Box<dyn ByteStream>>, ConnectionError> {
    let config = client_config(tls).await?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| ConnectionError::Protocol { what: "a host that is no name for TLS" })?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connecting.await.map_err(|error| refusal(ConnectionError::Lost { error }))
}

/// A refused certificate is for a person to repair; a connection cut in the handshake is not.
///
/// SERVER: with TLS 1.3 the client is done before the server has looked at its certificate, and reads
/// of the refusal where it expects the answer to its login.
pub(super) fn refusal(error: ConnectionError) -> ConnectionError {
    if let ConnectionError::Lost { error } = error {
        let is_refusal = fault(&error).is_some();
        return if is_refusal {
            ConnectionError::Tls { error }
        } else {
            ConnectionError::Lost { error }
        };
    }
    error
}

fn fault(error: &io::Error) -> Option<&RustlsError> {
    error.get_ref()?.downcast_ref()
}

/// What an operator can do about it, as the end of a sentence; empty where the error says enough.
pub(super) fn repair(error: &io::Error) -> &'static str {
    let Some(fault) = fault(error) else { return "" };
    if let RustlsError::AlertReceived(_) = fault {
        return "; the server refused: check mysql.tls.certificate and mysql.tls.key";
    }
    let RustlsError::InvalidCertificate(certificate) = fault else { return "" };
    // The certificate of another authority with the same name, as all have that MySQL makes itself,
    // leads to a signature that does not fit.
    if matches!(certificate, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
        return "; name the authority that signed the server's certificate in mysql.tls.ca";
    }
    if is_other_name(certificate) {
        return "; connect to a host that the server's certificate names, or set \
                mysql.tls.skip_hostname_verification, which still verifies who signed it";
    }
    ""
}

fn is_other_name(certificate: &CertificateError) -> bool {
    matches!(
        certificate,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    )
}

pub(super) fn in_use(stream: &TlsStream<Box<dyn ByteStream>>) -> TlsInUse {
    let (_, session) = stream.get_ref();
    TlsInUse {
        protocol: session
            .protocol_version()
            .and_then(|version| version.as_str())
            .unwrap_or("unknown")
            .to_owned(),
        cipher_suite: session
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown")
            .to_owned(),
    }
}

async fn client_config(tls: &Tls) -> Result<ClientConfig, ConnectionError> {
    let provider = Arc::new(ring::default_provider());
    let roots = Arc::new(roots(tls.ca.as_deref()).await?);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(invalid)?;
    let builder = if tls.skip_hostname_verification {
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| ConnectionError::Tls { error: io::Error::other(error) })?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(ChainOnly { chain }))
    } else {
        builder.with_root_certificates(roots)
    };
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("mysql.tls.certificate", certificate).await?;
            let key = private_key(key).await?;
            builder.with_client_auth_cert(chain, key).map_err(invalid)
        }
        (Some(_), None) | (None, Some(_)) => {
            let reason = "mysql.tls.certificate and mysql.tls.key belong together";
            Err(ConnectionError::Tls { error: io::Error::new(io::ErrorKind::InvalidInput, reason) })
        }
        (None, None) => Ok(builder.with_no_client_auth()),
    }
}

fn invalid(error: RustlsError) -> ConnectionError {
    ConnectionError::Tls { error: io::Error::new(io::ErrorKind::InvalidInput, error) }
}

async fn roots(ca: Option<&Path>) -> Result<RootCertStore, ConnectionError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates("mysql.tls.ca", path).await? {
            roots.add(certificate).map_err(invalid)?;
        }
        return Ok(roots);
    }
    // Reading the system's roots takes a hundred files.
    let system = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|error| ConnectionError::Tls { error: io::Error::other(error) })?;
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        let reason = "the system has no root certificates; name the server's in mysql.tls.ca";
        return Err(ConnectionError::Tls {
            error: io::Error::new(io::ErrorKind::NotFound, reason),
        });
    }
    Ok(roots)
}

async fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, ConnectionError> {
    tokio::fs::read(path).await.map_err(|error| ConnectionError::File {
        setting,
        path: path.to_owned(),
        error,
    })
}

async fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConnectionError> {
    let text = read(setting, path).await?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or(ConnectionError::Pem { setting, path: path.to_owned(), wanted: "certificate" })
}

async fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConnectionError> {
    const SETTING: &str = "mysql.tls.key";
    let text = read(SETTING, path).await?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| ConnectionError::Pem {
        setting: SETTING,
        path: path.to_owned(),
        wanted: "private key",
    })
}

/// Checks the certificate's chain but not whether it names the host: MySQL's own `VERIFY_CA`, for
/// servers whose certificates were made by the server itself.
#[derive(Debug)]
struct ChainOnly {
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for ChainOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let verified = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The name is looked at last: with this error the chain was good.
            Err(RustlsError::InvalidCertificate(certificate)) if is_other_name(&certificate) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
