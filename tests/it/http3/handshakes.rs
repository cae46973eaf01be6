//! Clients that come, come again, or come in great numbers.

use std::sync::Arc;

use lb::count::Handshake;
use quinn::{ClientConfig, crypto::rustls::QuicClientConfig};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    certificates::{Authority, Pem},
    eventually::eventually,
    first_packets::until_retry,
    http3_client::{Connection, RUNTIME, config, connect_with, quic_config},
    http3_raw::{Outcome, RawClient, get, headers},
    lb::QuicLb,
    process::{LbProcess, new_folder},
    tls_client::{self, NAME},
};

fn handshakes(lb: &QuicLb, how: Handshake) -> u64 {
    lb.listener().handshakes()[how as usize]
}

#[test]
fn an_earlier_session_goes_on() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    Connection::open_with(lb.address(), false).unwrap().get("/").unwrap();
    assert_eq!(handshakes(&lb, Handshake::Full), 1);
    // The client of all tests may remember a session of another test.
    let before = handshakes(&lb, Handshake::Resumed);
    for _ in 0..3 {
        Connection::open(lb.address()).unwrap().get("/").unwrap();
    }
    assert!(handshakes(&lb, Handshake::Resumed) >= before + 2);
}

#[test]
fn under_load_clients_must_prove_their_address() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let _waits = until_retry(lb.address());
    assert!(lb.listener().retries.get() > 0);
    let response = Connection::open_with(lb.address(), false).unwrap().get("/").unwrap();
    assert_eq!(response.status, 200, "one that can is served");
}

#[test]
fn a_client_of_another_protocol_is_counted_as_incompatible() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let mut tls = tls_client::config(false);
    tls.alpn_protocols = vec![b"hq-interop".to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    RUNTIME.block_on(connect_with(lb.address(), config)).unwrap_err();
    eventually(PATIENCE, "it is counted", || handshakes(&lb, Handshake::Incompatible) == 1);
}

#[test]
fn the_name_in_the_first_message_picks_the_rule_about_certificates() {
    let (backend, folder) = (ScriptedBackend::named("a"), new_folder());
    let authority = Authority::new("clients");
    let ca = folder.path().join("clients.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let rule = format!("client_auth: {{ ca: {} }}", ca.display());
    let hosts = format!(", hosts: [ {{ host: {NAME}, {rule} }} ] }}");
    let keys = tls_client::listener_keys();
    let keys = format!("{}{hosts}", keys.strip_suffix(" }").unwrap());
    let lb = LbProcess::with_config(
        &format!(
            "listeners: [ {{ address: 127.0.0.1:0, protocols: [h3, http/1.1], {keys} }} ]
routes: [ {{ pool: web }} ]
pools: {{ web: {{ backends: [ {{ address: {} }} ], health_check: off }} }}
",
            backend.address()
        ),
        &[],
    );
    let mut lb = lb;
    let address = lb.address();
    let without = RUNTIME.block_on(async {
        let (_endpoint, quic) = connect_with(address, config(false)).await?;
        Err::<(), _>(std::io::Error::other(quic.closed().await))
    });
    let refused = without.unwrap_err().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let mut tls = tls_client::config(false);
    tls.client_auth_cert_resolver = Arc::new(certified(&authority.issue_client("ann", 1, 4000)));
    let client = RUNTIME.block_on(async {
        let (endpoint, quic) = connect_with(address, quic_config(tls)).await.unwrap();
        RawClient::over(endpoint, quic).await
    });
    // The certificate is for another name than the request's host, which is under no rule.
    let (_send, mut recv) = client.begin(&get("/"), true);
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(421));
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", NAME), (":path", "/")];
    assert_eq!(client.ask(&headers(&fields)), Outcome::Answered(200));
    let told = backend.requests().pop().unwrap();
    assert_eq!(told.header("x-client-cert-verified"), Some("true"));
}

/// A client's certificate and its key.
fn certified(pem: &Pem) -> SingleCertAndKey {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.chain.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).expect("a key");
    let key = any_supported_type(&key).expect("a key");
    SingleCertAndKey::from(CertifiedKey::new(chain.expect("a certificate"), key))
}
