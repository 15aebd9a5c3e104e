//! Bytes and strings in, values out.
