//! How a password is proved to MySQL and MariaDB: each method is named by the server.

use crate::check::Outcome;
use openssl::rsa::{Padding, Rsa};
use openssl::sha::{Sha1, Sha256, sha1, sha256};

/// The server has the password's hash at hand: an OK follows.
const FAST: u8 = 3;
/// The server needs the password itself.
const FULL: u8 = 4;
/// The client asks for the server's key, in `caching_sha2_password`.
const KEY_PLEASE: u8 = 2;
/// The same in `sha256_password`.
const KEY_PLEASE_OLD: u8 = 1;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `mysql_native_password`: SHA-1, never the password itself.
    Native,
    /// `caching_sha2_password`, the default of MySQL 8: SHA-256; the password itself when the server does not
    /// remember its hash.
    CachingSha2,
    /// `sha256_password`: always the password itself.
    Sha256,
    /// `mysql_clear_password`, as with PAM or LDAP behind the server.
    Clear,
}

/// What follows from the server's data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The next packet.
    Wait,
    /// This is sent.
    Send(Vec<u8>),
}

impl Method {
    pub(super) fn of_name(name: &str) -> Option<Method> {
        [Method::Native, Method::CachingSha2, Method::Sha256, Method::Clear]
            .into_iter()
            .find(|method| method.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Method::Native => "mysql_native_password",
            Method::CachingSha2 => "caching_sha2_password",
            Method::Sha256 => "sha256_password",
            Method::Clear => "mysql_clear_password",
        }
    }

    /// The first proof. `private` means TLS: only there the password itself is sent.
    pub(super) fn begin(self, password: &[u8], nonce: &[u8], private: bool) -> Result<Vec<u8>, Outcome> {
        if password.is_empty() {
            return Ok(if self == Method::Native || self == Method::CachingSha2 { vec![] } else { vec![0] });
        }
        match self {
            Method::Native => Ok(native(password, nonce)),
            Method::CachingSha2 => Ok(caching_sha2(password, nonce)),
            Method::Sha256 if !private => Ok(vec![KEY_PLEASE_OLD]),
            Method::Clear if !private => Err(Outcome::Declined(
                "it wants the password in plain text, which needs TLS: write tlsverify=yes or no".into(),
            )),
            Method::Sha256 | Method::Clear => Ok(with_end(password)),
        }
    }

    /// What to do with data that comes after the first proof.
    pub(super) fn go_on(
        self,
        data: &[u8],
        password: &[u8],
        nonce: &[u8],
        private: bool,
    ) -> Result<Answer, Outcome> {
        match (self, data) {
            (Method::CachingSha2, [FAST]) => Ok(Answer::Wait),
            (Method::CachingSha2, [FULL]) if private => Ok(Answer::Send(with_end(password))),
            (Method::CachingSha2, [FULL]) => Ok(Answer::Send(vec![KEY_PLEASE])),
            (Method::CachingSha2 | Method::Sha256, key) if !private => {
                sealed(key, password, nonce).map(Answer::Send)
            }
            _ => Err(Outcome::Garbled(format!("data that {} does not have", self.name()))),
        }
    }
}

/// The server's method is none of ours.
pub(super) fn unknown(name: &str) -> Outcome {
    let known = "mysql_native_password, caching_sha2_password, sha256_password, mysql_clear_password";
    let name = name.escape_debug();
    Outcome::Declined(format!("the account's login method is {name}; a check can use {known}"))
}

/// SHA1(password) XOR SHA1(nonce SHA1(SHA1(password)))
fn native(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = sha1(password);
    let mut mask = Sha1::new();
    mask.update(nonce);
    mask.update(&sha1(&once));
    xor(&once, &mask.finish())
}

/// SHA256(password) XOR SHA256(SHA256(SHA256(password)) nonce)
fn caching_sha2(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let once = sha256(password);
    let mut mask = Sha256::new();
    mask.update(&sha256(&once));
    mask.update(nonce);
    xor(&once, &mask.finish())
}

/// The password for the holder of a key alone.
fn sealed(key: &[u8], password: &[u8], nonce: &[u8]) -> Result<Vec<u8>, Outcome> {
    let garbled = |_| Outcome::Garbled("a key that cannot be used".into());
    if nonce.is_empty() {
        return Err(Outcome::Garbled("no random bytes in the greeting".into()));
    }
    let key = Rsa::public_key_from_pem(key).map_err(garbled)?;
    let length = usize::try_from(key.size()).unwrap_or_default();
    let mut sealed = vec![0; length];
    let password = xor(&with_end(password), &nonce.repeat(password.len() / nonce.len() + 1));
    let used = key.public_encrypt(&password, &mut sealed, Padding::PKCS1_OAEP).map_err(garbled)?;
    sealed.truncate(used);
    Ok(sealed)
}

fn with_end(password: &[u8]) -> Vec<u8> {
    [password, &[0]].concat()
}

/// As long as the shorter.
fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_those_of_the_real_clients() {
        // Computed with the formulas of MySQL's manual in another language.
        let nonce: Vec<u8> = (1..=20).collect();
        assert_eq!(hex(&native(b"secret", &nonce)), NATIVE);
        assert_eq!(hex(&caching_sha2(b"secret", &nonce)), CACHING);
    }

    #[test]
    fn a_sealed_password_is_opened_by_the_keys_owner() {
        let owner = Rsa::generate(2048).unwrap();
        let nonce = b"0123456789abcdefghij";
        let password = "a password that is longer than the nonce";
        let sealed = sealed(&owner.public_key_to_pem().unwrap(), password.as_bytes(), nonce).unwrap();
        let mut opened = vec![0; 256];
        let length = owner.private_decrypt(&sealed, &mut opened, Padding::PKCS1_OAEP).unwrap();
        let plain = xor(&opened[..length], &nonce.repeat(4));
        assert_eq!(plain, with_end(password.as_bytes()));
    }

    #[test]
    fn the_password_is_never_sent_in_plain_text() {
        let nonce = [7; 20];
        for method in [Method::Native, Method::CachingSha2, Method::Sha256, Method::Clear] {
            let first = method.begin(b"secret", &nonce, false);
            let later = method.go_on(&[FULL], b"secret", &nonce, false);
            for sent in [first.ok(), later.ok().map(|answer| format!("{answer:?}").into_bytes())]
                .into_iter()
                .flatten()
            {
                assert!(!sent.windows(6).any(|part| part == b"secret"), "{method:?}");
            }
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const NATIVE: &str = "b32bb3a583e1340c0a1108d58b1be49781ad8c2f";
    const CACHING: &str = "746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9";
}
