//! Where cryptography comes from: the only place that names it.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

/// The provider that every TLS configuration of the program is built with: AWS-LC, made once and shared.
///
/// It is never installed as rustls's process default, so that nothing can use TLS without passing here.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_not_installed_for_the_process() {
        assert!(Arc::ptr_eq(&provider(), &provider()));
        assert!(CryptoProvider::get_default().is_none());
    }
}
