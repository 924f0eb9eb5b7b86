//! Name, directory, account and telephony servers: checks by messages.
#![no_main]

use directord::check::Dialogue;
use directord::config::model::ServiceName::{Dns, Ldap, Radius, Sip};
use fuzz::server::check;
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};

/// What the checks take for random bytes.
const RANDOM: u8 = 7;

fuzz_target!(|data: &[u8]| check(data, &[Dns, Ldap, Radius, Sip], believable));

/// Gives an answer of RADIUS the identifier, length and authenticator that the check expects.
fn believable(dialogue: &Dialogue, mut said: Vec<u8>) -> Vec<u8> {
    if dialogue.service == Radius && said.len() >= 20 {
        let length = u16::try_from(said.len()).unwrap_or(u16::MAX).to_be_bytes();
        said[1] = RANDOM;
        said[2..4].copy_from_slice(&length);
        said[4..20].fill(RANDOM);
        let digest = Md5::new().chain_update(&said).chain_update(dialogue.secret.reveal()).finalize();
        said[4..20].copy_from_slice(&digest);
    }
    said
}
