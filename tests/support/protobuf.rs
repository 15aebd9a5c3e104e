//! Messages of protobuf that no generated code writes.

/// One length-delimited protobuf field.
pub(crate) fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut len = value.len();
    while len >= 128 {
        field.push((len % 128) as u8 | 0x80);
        len /= 128;
    }
    field.push(len as u8);
    field.extend(value);
    field
}

/// An encoded `google.protobuf.FileDescriptorSet` of one file, `large.proto`, with a comment of `len` bytes: answers of reflection are as
/// large.
pub(crate) fn large_file(len: usize) -> Vec<u8> {
    let location = field(3, &vec![b'x'; len]);
    let file = [field(1, b"large.proto"), field(9, &field(1, &location))];
    field(1, &file.concat())
}
