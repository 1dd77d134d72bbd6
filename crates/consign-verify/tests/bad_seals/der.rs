//! DER taken apart and put together again, right or wrong.

/// The signature with something done to its set of signers.
pub(crate) fn with_signers(p7s: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let content_info = children(p7s);
    let explicit = children(content_info[1]);
    let mut fields: Vec<Vec<u8>> = children(explicit[0])
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect();
    let signers = fields.pop().unwrap();
    fields.push(element(0x31, &change(children(&signers)[0])));
    let explicit = element(0xa0, &element(0x30, &fields.concat()));
    element(0x30, &[content_info[0], &explicit].concat())
}

/// The elements in one, each whole.
pub(crate) fn children(element: &[u8]) -> Vec<&[u8]> {
    let mut rest = content(element);
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (header, length) = header(rest);
        let (child, after) = rest.split_at(header + length);
        all.push(child);
        rest = after;
    }
    all
}

/// What is in one.
pub(crate) fn content(element: &[u8]) -> &[u8] {
    &element[header(element).0..]
}

/// Sizes of the header and of what it announces.
fn header(element: &[u8]) -> (usize, usize) {
    let first = usize::from(element[1]);
    if first < 0x80 {
        return (2, first);
    }
    let end = 2 + (first & 0x7f);
    let octets = element[2..end].iter();
    (
        end,
        octets.fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
    )
}

pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let length = match content.len() {
        0..=0x7f => length[3..].to_vec(),
        0x80..=0xff => [&[0x81], &length[3..]].concat(),
        0x100..=0xffff => [&[0x82], &length[2..]].concat(),
        _ => [&[0x84], &length[..]].concat(),
    };
    [&[tag], &*length, content].concat()
}
