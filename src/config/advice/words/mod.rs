//! The words of other balancers, and what is asked for and does not exist yet.

mod listeners;
mod meaning;
mod pools;
mod routes;
mod texts;
mod top;

use crate::config::wording::is_same_word;

pub(super) use meaning::Use;

use meaning::Meanings;

const TABLE: &[(&str, Meanings)] = &[
    ("", top::TOP),
    ("tracing", top::TRACING),
    ("admin", top::ADMIN),
    ("listeners[]", listeners::LISTENER),
    ("listeners[].client", listeners::CLIENT),
    ("listeners[].client.body", listeners::BODY_OF_CLIENT),
    ("listeners[].proxy_protocol", listeners::PROXY_PROTOCOL),
    ("listeners[].tls", listeners::TLS),
    ("listeners[].tls.certificates[]", listeners::CERTIFICATE),
    ("listeners[].tls.client_auth", listeners::CLIENT_AUTH),
    ("listeners[].tls.acme", listeners::ACME),
    ("routes[]", routes::ROUTE),
    ("pools.*", pools::POOL),
    ("pools.*.backends[]", pools::BACKEND),
    ("pools.*.health_check", pools::CHECK),
    ("pools.*.timeouts", pools::TIMEOUTS),
    ("pools.*.retry", pools::RETRY),
    ("pools.*.ejection", pools::EJECTION),
    ("pools.*.queue", pools::QUEUE),
];

/// What a word means in the mapping at this path.
pub(super) fn find(parent: &str, key: &str) -> Option<&'static Use> {
    let (_, words) = TABLE.iter().find(|(path, _)| *path == parent)?;
    let is_one = |words: &[&str]| words.iter().any(|word| is_same_word(key, word));
    words.iter().find(|(words, _)| is_one(words)).map(|(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::below;

    #[test]
    fn no_word_is_a_key_and_every_word_leads_to_one() {
        for (parent, words) in TABLE {
            let known: Vec<&str> = below(parent).iter().map(|row| row.name()).collect();
            assert!(!known.is_empty(), "{parent}");
            for (words, meaning) in *words {
                for word in *words {
                    assert!(!known.contains(word), "{word} is a key of {parent}");
                }
                if let Use::Key(key) = meaning {
                    assert!(known.contains(key), "{key} is no key of {parent}");
                }
            }
        }
    }
}
