//! The ids of connections in QUIC, which say which process has the connection.
//!
//! After a hand-over the packets of all processes come to the last one, which has to tell them apart without
//! keys. So an id begins with the ordinal of its process (`process::udp::relay`). The rest is random, and signed, so
//! that ids that clients make up are seldom taken for ours. The signature is `quinn`'s: whoever breaks it gains a
//! packet that leads nowhere.

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, HashedConnectionIdGenerator, InvalidCid};

/// The length of an id, in bytes: the ordinal, and what `quinn` makes.
const LENGTH: usize = 9;

/// Makes the ids of one process.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionIds {
    /// Which all processes have in common.
    pub(super) key: u64,
    pub(super) ordinal: u8,
}

impl ConnectionIds {
    fn signed(self, ordinal: u8) -> HashedConnectionIdGenerator {
        HashedConnectionIdGenerator::from_key(self.key ^ u64::from(ordinal))
    }

    /// Which process has made this id; `None` if none has.
    fn maker(self, id: &[u8]) -> Option<u8> {
        let (ordinal, signed) = id.split_first().filter(|_| id.len() == LENGTH)?;
        self.signed(*ordinal).validate(&ConnectionId::new(signed)).is_ok().then_some(*ordinal)
    }

    /// Which process has made the id of the connection that this datagram is for; `None` if none has.
    pub(super) fn maker_of(self, datagram: &[u8]) -> Option<u8> {
        self.maker(destination(datagram)?)
    }
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let signed = self.signed(self.ordinal).generate_cid();
        let mut id = [self.ordinal; LENGTH];
        id[1..].copy_from_slice(&signed);
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.maker(id).map(|_| ()).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The id in a datagram's first packet, which is the same in all of its packets (RFC 8999 section 5, RFC 9000
/// section 12.2).
fn destination(datagram: &[u8]) -> Option<&[u8]> {
    let (first, rest) = datagram.split_first()?;
    if first & 0x80 == 0 {
        return rest.get(..LENGTH);
    }
    // Behind a version of four bytes.
    let (length, rest) = rest.get(4..)?.split_first()?;
    rest.get(..usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagrams(id: &[u8]) -> [Vec<u8>; 2] {
        let long = [&[0xc3, 0, 0, 0, 1, id.len() as u8][..], id, &[8; 30]].concat();
        [long, [&[0x43], id, &[8; 30]].concat()]
    }

    #[test]
    fn a_datagram_says_which_process_has_its_connection() {
        for ordinal in [0, 1, 255] {
            let mut ids = ConnectionIds { key: 7, ordinal };
            let id = ids.generate_cid();
            assert!(id.len() == ids.cid_len() && ids.validate(&id).is_ok());
            let other = ConnectionIds { key: 7, ordinal: 9 };
            assert!(
                other.validate(&id).is_ok(),
                "a connection that is gone is answered with a reset"
            );
            for datagram in datagrams(&id) {
                assert_eq!(other.maker_of(&datagram), Some(ordinal));
                for end in 0..datagram.len() {
                    let maker = other.maker_of(&datagram[..end]);
                    assert!(maker.is_none() || maker == Some(ordinal));
                }
            }
        }
    }

    #[test]
    fn an_id_that_a_client_has_made_up_is_of_no_process() {
        let mut ids = ConnectionIds { key: 7, ordinal: 3 };
        let id = ids.generate_cid();
        for index in 0..LENGTH {
            let mut other = id.to_vec();
            other[index] ^= 1;
            for datagram in datagrams(&other) {
                assert_eq!(ids.maker_of(&datagram), None, "byte {index}");
            }
        }
        let of_another_listener = ConnectionIds { key: 8, ordinal: 3 };
        assert!(of_another_listener.validate(&id).is_err());
        for length in [0, 1, 8, 10, 20] {
            let [long, _] = datagrams(&vec![3; length]);
            assert_eq!(ids.maker_of(&long), None);
        }
    }
}
