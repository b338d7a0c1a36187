//! A certificate authority for one test.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::Outcome;

/// Makes `ca.pem`, and `server.pem` and `server.key` for the names.
pub fn make(dir: &Path, names: &[&str]) -> Outcome<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    fs::write(dir.join("ca.pem"), authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);

    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    fs::write(dir.join("server.pem"), certificate.pem())?;
    fs::write(dir.join("server.key"), key.serialize_pem())?;
    Ok(())
}
