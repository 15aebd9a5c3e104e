//! A message keeps to its limit, and is the same under any limit that lets it through; a member
//! without its last byte, or with another behind it, is none; inflating undoes deflating.
//!
//! Input: the limit (two bytes), what is to be inflated; all of it is deflated, too.

use grpc_health::wire::gzip::InflateError::{Malformed, Oversize};
use grpc_health::wire::gzip::{deflate, inflate};

pub fn run(data: &[u8]) {
    if let Some((limit, member)) = data.split_first_chunk() {
        one_limit(member, u16::from_le_bytes(*limit).into());
    }

    let member = deflate(data);
    assert_eq!(inflate(&member, data.len()).unwrap(), data);
    every_limit(&member, data);
}

fn one_limit(member: &[u8], limit: usize) {
    match inflate(member, limit) {
        Ok(message) => {
            assert!(message.len() <= limit);
            every_limit(member, &message);
        }
        Err(Oversize { limit: told }) => {
            assert_eq!(told, limit);
            match inflate(member, 1 << 20) {
                Ok(message) => assert!(message.len() > limit),
                Err(error) => assert!(matches!(error, Malformed | Oversize { .. })),
            }
        }
        Err(error) => {
            assert_eq!(error, Malformed);
            // A larger limit makes it no better.
            assert!(inflate(member, 1 << 20).is_err());
        }
    }
}

/// What is true of every member and its message.
fn every_limit(member: &[u8], message: &[u8]) {
    let len = message.len();
    assert_eq!(inflate(member, len).unwrap(), message);
    assert_eq!(inflate(member, len + 1).unwrap(), message);
    if let Some(limit) = len.checked_sub(1) {
        assert_eq!(inflate(member, limit), Err(Oversize { limit }));
    }
    let [cut @ .., _] = member else {
        panic!("a member without bytes");
    };
    assert_eq!(inflate(cut, len), Err(Malformed));
    let behind = [member, b"\0"].concat();
    assert_eq!(inflate(&behind, len), Err(Malformed));
}
