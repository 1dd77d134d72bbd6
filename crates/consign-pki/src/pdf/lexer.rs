//! The tokens of PDF objects (ISO 32000-2 §7.2, §7.3), and dictionaries made of them.
//!
//! Only what stands in the file as it is: streams are not unpacked. What is nested is passed
//! over without recursion, to a bounded depth.

use std::ops::Range;

use super::DictionaryFault;

/// Deepest nesting within a dictionary.
const MAX_DEPTH: usize = 16;
/// Most entries of a dictionary.
const MAX_ENTRIES: usize = 64;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Without its solidus, `#xx` resolved.
    Name(Vec<u8>),
    /// Digits, signs, letters: a number or a keyword.
    Regular(&'a [u8]),
    Literal,
    /// The hexadecimal digits between the angle brackets.
    Hexadecimal(&'a [u8]),
    ArrayBegin,
    ArrayEnd,
    DictionaryBegin,
    DictionaryEnd,
}

/// One entry of a dictionary: its key, and where its value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    pub(super) value: Range<usize>,
}

/// Reads tokens of `bytes` from a place on, never beyond its end.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next byte stands.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// The next token and where it stands.
    pub(super) fn token(&mut self) -> Result<(Token<'a>, Range<usize>), DictionaryFault> {
        self.skip_space();
        let start = self.at;
        let (first, second) = (self.peek(0), self.peek(1));
        let token = match (first.ok_or(DictionaryFault::Truncated)?, second) {
            (b'[', _) => self.punctuation(1, Token::ArrayBegin),
            (b']', _) => self.punctuation(1, Token::ArrayEnd),
            (b'<', Some(b'<')) => self.punctuation(2, Token::DictionaryBegin),
            (b'>', Some(b'>')) => self.punctuation(2, Token::DictionaryEnd),
            (b'<', _) => self.hexadecimal()?,
            (b'(', _) => self.literal()?,
            (b'/', _) => self.name()?,
            (byte, _) if is_regular(byte) => Token::Regular(self.regular()),
            _ => return Err(DictionaryFault::Syntax { offset: start }),
        };
        Ok((token, start..self.at))
    }

    /// A dictionary at the present place, no key twice.
    pub(super) fn dictionary(&mut self) -> Result<Vec<Entry>, DictionaryFault> {
        let (begin, span) = self.token()?;
        if begin != Token::DictionaryBegin {
            return Err(DictionaryFault::Syntax { offset: span.start });
        }
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (token, span) = self.token()?;
            let key = match token {
                Token::DictionaryEnd => return Ok(entries),
                Token::Name(key) => key,
                _ => return Err(DictionaryFault::Syntax { offset: span.start }),
            };
            if entries.len() >= MAX_ENTRIES {
                return Err(DictionaryFault::TooLarge);
            }
            if entries.iter().any(|entry| entry.key == key) {
                let key = String::from_utf8_lossy(&key).into_owned();
                return Err(DictionaryFault::Repeated { key });
            }
            let value = self.value()?;
            entries.push(Entry { key, value });
        }
    }

    /// Where one value stands: a token, a reference, or what is nested.
    fn value(&mut self) -> Result<Range<usize>, DictionaryFault> {
        let (token, span) = self.token()?;
        match token {
            Token::ArrayBegin | Token::DictionaryBegin => self.skip_nested(&token)?,
            Token::Regular(_) => self.skip_reference(),
            Token::ArrayEnd | Token::DictionaryEnd => {
                return Err(DictionaryFault::Syntax { offset: span.start });
            }
            Token::Name(_) | Token::Literal | Token::Hexadecimal(_) => {}
        }
        Ok(span.start..self.at)
    }

    fn skip_nested(&mut self, outermost: &Token<'_>) -> Result<(), DictionaryFault> {
        let closes = |begin: &Token<'_>| match begin {
            Token::ArrayBegin => Token::ArrayEnd,
            _ => Token::DictionaryEnd,
        };
        let mut open = vec![closes(outermost)];
        while let Some(wanted) = open.last() {
            let (token, span) = self.token()?;
            match token {
                Token::ArrayBegin | Token::DictionaryBegin if open.len() >= MAX_DEPTH => {
                    return Err(DictionaryFault::TooLarge);
                }
                Token::ArrayBegin | Token::DictionaryBegin => open.push(closes(&token)),
                Token::ArrayEnd | Token::DictionaryEnd if token == *wanted => {
                    open.pop();
                }
                Token::ArrayEnd | Token::DictionaryEnd => {
                    return Err(DictionaryFault::Syntax { offset: span.start });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// After the first number of `12 0 R`: the rest of it, if it is that.
    fn skip_reference(&mut self) {
        let mut ahead = self.clone();
        let generation = ahead.token();
        let keyword = ahead.token();
        let is_reference = matches!(generation, Ok((Token::Regular(_), _)))
            && matches!(keyword, Ok((Token::Regular(b"R"), _)));
        if is_reference {
            self.at = ahead.at;
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at.saturating_add(ahead)).copied()
    }

    fn punctuation(&mut self, length: usize, token: Token<'a>) -> Token<'a> {
        self.at = self.at.saturating_add(length);
        token
    }

    /// White space and comments.
    fn skip_space(&mut self) {
        while let Some(byte) = self.peek(0) {
            if byte == b'%' {
                self.skip_while(|byte| !matches!(byte, b'\r' | b'\n'));
            } else if is_space(byte) {
                self.at = self.at.saturating_add(1);
            } else {
                return;
            }
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at = self.at.saturating_add(1);
        }
    }

    fn regular(&mut self) -> &'a [u8] {
        let start = self.at;
        self.skip_while(is_regular);
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    fn name(&mut self) -> Result<Token<'a>, DictionaryFault> {
        let start = self.at;
        self.at = self.at.saturating_add(1);
        let mut written = self.regular().iter();
        let mut name = Vec::new();
        while let Some(byte) = written.next() {
            if *byte != b'#' {
                name.push(*byte);
                continue;
            }
            let digits = (
                written.next().and_then(digit),
                written.next().and_then(digit),
            );
            let (Some(high), Some(low)) = digits else {
                return Err(DictionaryFault::Syntax { offset: start });
            };
            name.push(high << 4 | low);
        }
        Ok(Token::Name(name))
    }

    fn hexadecimal(&mut self) -> Result<Token<'a>, DictionaryFault> {
        let start = self.at.saturating_add(1);
        self.at = start;
        self.skip_while(|byte| byte.is_ascii_hexdigit() || is_space(byte));
        match self.peek(0) {
            Some(b'>') => {
                let digits = self.bytes.get(start..self.at).unwrap_or_default();
                self.at = self.at.saturating_add(1);
                Ok(Token::Hexadecimal(digits))
            }
            Some(_) => Err(DictionaryFault::Syntax { offset: self.at }),
            None => Err(DictionaryFault::Truncated),
        }
    }

    /// Parentheses nest where they are not escaped.
    fn literal(&mut self) -> Result<Token<'a>, DictionaryFault> {
        let mut open = 0_usize;
        loop {
            let byte = self.peek(0).ok_or(DictionaryFault::Truncated)?;
            let length = if byte == b'\\' { 2 } else { 1 };
            self.at = self.at.saturating_add(length);
            match byte {
                b'(' => open = open.saturating_add(1),
                b')' if open == 1 => return Ok(Token::Literal),
                b')' => open = open.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// The value of a hexadecimal digit.
pub(super) fn digit(byte: &u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

pub(super) const fn is_regular(byte: u8) -> bool {
    !is_space(byte)
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
        )
}
