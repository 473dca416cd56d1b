//! AWS as a Lambda function finds it.

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
};
use aws_sdk_sqs::config::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

use crate::Env;

/// The certificate authorities that all of AWS's endpoints chain to, and that AWS
/// asks its clients to trust: <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &str = include_str!("aws/roots.pem");

/// Region and credentials from the variables that Lambda sets, and one HTTP
/// client for all services.
///
/// Not `aws_config::load_from_env`: its chain also looks for profiles, SSO, web
/// identities and the instance's metadata, none of which a function has, and all
/// of which its binary would carry. One HTTP client with Amazon's own roots,
/// because reading the system's hundreds of certificates, once for each client,
/// was most of a cold start.
///
/// `AWS_CA_BUNDLE`, a file of certificates, takes the place of Amazon's roots, as
/// it does for AWS's other tools.
pub(crate) fn config(env: &Env) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(env.get("AWS_REGION").map(|region| Region::new(region.to_owned())))
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .http_client(
            Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(trusting(env))
                .build_https(),
        );
    // An emulator's address.
    if let Some(url) = env.get("AWS_ENDPOINT_URL") {
        config = config.endpoint_url(url);
    }
    config.build()
}

fn trusting(env: &Env) -> TlsContext {
    let given = env.get("AWS_CA_BUNDLE").map(|path| {
        std::fs::read(path).unwrap_or_else(|error| panic!("AWS_CA_BUNDLE, {path}: {error}"))
    });
    let roots = given.unwrap_or_else(|| AMAZON_ROOTS.into());
    TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(roots))
        .build()
        .expect("a trust store is all it takes")
}

#[cfg(test)]
mod tests {
    use rustls::{
        RootCertStore,
        pki_types::{CertificateDer, pem::PemObject},
    };

    use super::*;

    #[test]
    fn the_roots_are_certificates_that_tls_can_use() {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(AMAZON_ROOTS.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        assert_eq!(roots.len(), 5);
    }
}
