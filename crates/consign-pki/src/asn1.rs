//! The few DER operations this crate does on raw bytes (X.690 §10).
//!
//! Signatures are made over bytes, not over structures. A decoder that parses a
//! certificate and encodes it again may give other bytes than were signed, so CMS,
//! certificate requests and certificate fields are *sliced*, never re-encoded, and
//! what we write is concatenated around the exact bytes we were given.
//!
//! Invariants: only definite, minimal lengths and single-byte tags are read; a
//! [`Reader`] never looks outside its slice; [`scan`] walks a whole structure without
//! recursion and refuses it when it is too long, too deep or has too many elements,
//! before any other parser sees it.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

use const_oid::ObjectIdentifier;

/// Why bytes are not the DER they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// An element ends after its container does.
    #[error("element is truncated")]
    Truncated,
    /// Indefinite, non-minimal or longer than four bytes.
    #[error("length is not in DER form")]
    Length,
    /// A tag number above 30, which nothing in these formats uses.
    #[error("tag 0x{tag:02x} is not supported")]
    UnsupportedTag {
        /// The identifier octet found.
        tag: u8,
    },
    /// Another element stands where one was required.
    #[error("expected tag 0x{expected:02x}, found 0x{found:02x}")]
    UnexpectedTag {
        /// The identifier octet required by the format.
        expected: u8,
        /// The identifier octet found.
        found: u8,
    },
    /// A value breaks the rules of its type.
    #[error("value of tag 0x{tag:02x} is not valid")]
    Value {
        /// The identifier octet of the value.
        tag: u8,
    },
    /// Bytes follow the structure.
    #[error("{count} bytes follow the structure")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// Larger than the limit for this kind of structure.
    #[error("{length} bytes exceed the limit of {limit}")]
    TooLong {
        /// Size found, in bytes.
        length: usize,
        /// Largest size accepted, in bytes.
        limit: usize,
    },
    /// Nested deeper than the limit.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// Deepest nesting accepted.
        limit: usize,
    },
    /// More elements than the limit.
    #[error("more than {limit} elements")]
    TooMany {
        /// Largest number of elements accepted.
        limit: usize,
    },
}

/// One element: its tag, its value, and both together as they stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
    pub(crate) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The only element of `bytes`.
    pub(crate) fn only(bytes: &'a [u8], tag: u8) -> Result<Self, DerError> {
        let mut reader = Reader::new(bytes);
        let element = reader.expect(tag)?;
        reader.finish()?;
        Ok(element)
    }

    pub(crate) fn reader(&self) -> Reader<'a> {
        Reader::new(self.value)
    }
}

/// Reads elements one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek_tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn element(&mut self) -> Result<Element<'a>, DerError> {
        let (tag, header, length) = header(self.rest)?;
        let end = header.checked_add(length).ok_or(DerError::Length)?;
        let whole = self.rest.get(..end).ok_or(DerError::Truncated)?;
        let value = whole.get(header..).ok_or(DerError::Truncated)?;
        self.rest = self.rest.get(end..).ok_or(DerError::Truncated)?;
        Ok(Element { tag, value, whole })
    }

    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, DerError> {
        match self.peek_tag() {
            Some(found) if found == tag => self.element(),
            Some(found) => Err(DerError::UnexpectedTag {
                expected: tag,
                found,
            }),
            None => Err(DerError::Truncated),
        }
    }

    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        if self.peek_tag() == Some(tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn object_identifier(&mut self) -> Result<ObjectIdentifier, DerError> {
        let element = self.expect(OBJECT_IDENTIFIER)?;
        ObjectIdentifier::from_bytes(element.value).map_err(|_| DerError::Value {
            tag: OBJECT_IDENTIFIER,
        })
    }

    /// The value of an INTEGER, in its shortest form as DER asks.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], DerError> {
        let value = self.expect(INTEGER)?.value;
        let padded = matches!(value, [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..]);
        if value.is_empty() || padded {
            return Err(DerError::Value { tag: INTEGER });
        }
        Ok(value)
    }

    /// A non-negative INTEGER that fits a byte: versions.
    pub(crate) fn small_integer(&mut self) -> Result<u8, DerError> {
        match self.expect(INTEGER)?.value {
            [byte] if *byte < 0x80 => Ok(*byte),
            _ => Err(DerError::Value { tag: INTEGER }),
        }
    }

    /// A BIT STRING of whole bytes.
    pub(crate) fn bit_string_bytes(&mut self) -> Result<&'a [u8], DerError> {
        match self.expect(BIT_STRING)?.value.split_first() {
            Some((0, bytes)) => Ok(bytes),
            _ => Err(DerError::Value { tag: BIT_STRING }),
        }
    }

    pub(crate) fn finish(&self) -> Result<(), DerError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DerError::Trailing {
                count: self.rest.len(),
            })
        }
    }
}

/// What a structure may cost before it is read for real.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanLimits {
    pub(crate) max_bytes: usize,
    pub(crate) max_depth: usize,
    pub(crate) max_elements: usize,
}

/// Walks all constructed elements of exactly one structure, in linear time and with
/// memory bounded by `max_depth`.
pub(crate) fn scan(bytes: &[u8], limits: ScanLimits) -> Result<(), DerError> {
    if bytes.len() > limits.max_bytes {
        return Err(DerError::TooLong {
            length: bytes.len(),
            limit: limits.max_bytes,
        });
    }
    let mut outer = Reader::new(bytes);
    let mut open = vec![outer.element()?.reader_if_constructed()];
    outer.finish()?;
    let mut elements = 1_usize;
    while let Some(current) = open.last_mut() {
        if current.is_empty() {
            open.pop();
            continue;
        }
        let element = current.element()?;
        elements = elements.saturating_add(1);
        if elements > limits.max_elements {
            return Err(DerError::TooMany {
                limit: limits.max_elements,
            });
        }
        let inner = element.reader_if_constructed();
        if !inner.is_empty() {
            if open.len() >= limits.max_depth {
                return Err(DerError::TooDeep {
                    limit: limits.max_depth,
                });
            }
            open.push(inner);
        }
    }
    Ok(())
}

impl<'a> Element<'a> {
    fn reader_if_constructed(&self) -> Reader<'a> {
        if self.tag & 0x20 == 0 {
            Reader::new(&[])
        } else {
            self.reader()
        }
    }
}

/// The identifier octet of a constructed context-specific tag.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// The identifier octet of a primitive context-specific tag.
pub(crate) const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

/// Writes one element around the concatenation of `parts`.
pub(crate) fn encode(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length.saturating_add(6));
    out.push(tag);
    if let Ok(short @ 0..=0x7f) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
        out.extend_from_slice(&significant);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    encode(SEQUENCE, parts)
}

pub(crate) fn object_identifier(oid: &ObjectIdentifier) -> Vec<u8> {
    encode(OBJECT_IDENTIFIER, &[oid.as_bytes()])
}

/// The members of a SET OF in DER order, without the outer element.
pub(crate) fn set_of_members(mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    members.concat()
}

/// Splits the identifier and length octets: tag, size of the header, size of the value.
fn header(bytes: &[u8]) -> Result<(u8, usize, usize), DerError> {
    let (&tag, rest) = bytes.split_first().ok_or(DerError::Truncated)?;
    if tag & 0x1f == 0x1f {
        return Err(DerError::UnsupportedTag { tag });
    }
    let (&first, rest) = rest.split_first().ok_or(DerError::Truncated)?;
    if first < 0x80 {
        return Ok((tag, 2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(DerError::Length);
    }
    let octets = rest.get(..count).ok_or(DerError::Truncated)?;
    let length = octets
        .iter()
        .fold(0_usize, |sum, octet| (sum << 8) | usize::from(*octet));
    let minimal = octets.first().is_some_and(|octet| *octet != 0) && length >= 0x80;
    if !minimal {
        return Err(DerError::Length);
    }
    Ok((tag, count.saturating_add(2), length))
}

#[cfg(test)]
mod tests;
