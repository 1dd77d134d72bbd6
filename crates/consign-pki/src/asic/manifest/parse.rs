//! The parser: a walk over XML events with a stack of the elements that a manifest knows.

use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::super::digest::DigestAlgorithm;
use super::super::name::decode_uri;
use super::{ASIC_NAMESPACE, DS_NAMESPACE, Limits, MAX_DEPTH, Manifest, ManifestError, Reference};

pub(super) fn parse(bytes: &[u8], limits: Limits) -> Result<Manifest, ManifestError> {
    if bytes.len() > limits.bytes {
        return Err(ManifestError::TooLarge {
            size: bytes.len(),
            limit: limits.bytes,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::NotUtf8)?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut walk = Walk::new(limits.references);
    loop {
        match reader.read_resolved_event()? {
            (namespace, Event::Start(start)) => {
                let namespace = KnownNamespace::of(&namespace)?;
                walk.open(namespace, &start)?;
            }
            (_, Event::End(_)) => walk.close()?,
            (_, Event::Text(text)) => walk.text(&text.into_inner())?,
            (_, Event::Decl(declaration)) => walk.declaration(&declaration)?,
            (_, Event::Comment(_)) => {}
            (_, Event::Eof) => return walk.finish(),
            (_, Event::DocType(_)) => return Err(ManifestError::Doctype),
            (_, Event::GeneralRef(_)) => return Err(ManifestError::Entity),
            (_, Event::PI(_)) => return Err(ManifestError::ProcessingInstruction),
            (_, Event::CData(_)) => return Err(ManifestError::Cdata),
            // Never given: empty elements are expanded.
            (_, Event::Empty(_)) => return Err(ManifestError::Incomplete),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownNamespace {
    Asic,
    Ds,
    Other,
}

impl KnownNamespace {
    fn of(resolved: &ResolveResult<'_>) -> Result<Self, ManifestError> {
        match resolved {
            ResolveResult::Bound(Namespace(ASIC_NAMESPACE)) => Ok(Self::Asic),
            ResolveResult::Bound(Namespace(DS_NAMESPACE)) => Ok(Self::Ds),
            ResolveResult::Bound(_) | ResolveResult::Unbound => Ok(Self::Other),
            ResolveResult::Unknown(_) => Err(ManifestError::UnknownPrefix),
        }
    }
}

/// The elements of annex A.4, and all that is inside an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Manifest,
    SigReference,
    DataObjectReference,
    DigestMethod,
    DigestValue,
    Extension,
}

#[derive(Debug, Default)]
struct Walk {
    max_references: usize,
    stack: Vec<Element>,
    begun: bool,
    signature_name: Option<String>,
    draft: Draft,
    references: Vec<Reference>,
    names: HashSet<String>,
    has_rootfile: bool,
}

/// A reference of which not all has been read.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    media_type: Option<String>,
    rootfile: bool,
    algorithm: Option<DigestAlgorithm>,
    digest: Option<String>,
}

impl Walk {
    fn new(max_references: usize) -> Self {
        Self {
            max_references,
            ..Self::default()
        }
    }

    fn open(
        &mut self,
        namespace: KnownNamespace,
        start: &BytesStart<'_>,
    ) -> Result<(), ManifestError> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(ManifestError::TooDeep { limit: MAX_DEPTH });
        }
        let local_name = start.local_name();
        let local_name = local_name.into_inner();
        let element = self.recognise(namespace, local_name).ok_or_else(|| {
            ManifestError::UnexpectedElement {
                name: local_name.to_owned(),
            }
        })?;
        let attributes = Attributes::read(start)?;
        match element {
            Element::Manifest => attributes.none_left()?,
            Element::SigReference => self.signature_reference(attributes)?,
            Element::DataObjectReference => self.begin_reference(attributes)?,
            Element::DigestMethod => self.digest_method(attributes)?,
            Element::DigestValue => self.begin_digest(&attributes)?,
            Element::Extension => attributes.not_critical()?,
        }
        self.begun = true;
        self.stack.push(element);
        Ok(())
    }

    fn recognise(&self, namespace: KnownNamespace, local_name: &str) -> Option<Element> {
        use KnownNamespace::{Asic, Ds};
        match (self.stack.last(), namespace, local_name) {
            (None, Asic, "ASiCManifest") if !self.begun => Some(Element::Manifest),
            (Some(Element::Manifest), Asic, "SigReference") => Some(Element::SigReference),
            (Some(Element::Manifest), Asic, "DataObjectReference") => {
                Some(Element::DataObjectReference)
            }
            (Some(Element::Manifest), Asic, "ASiCManifestExtensions")
            | (Some(Element::DataObjectReference), Asic, "DataObjectReferenceExtensions")
            | (Some(Element::Extension), _, _) => Some(Element::Extension),
            (Some(Element::DataObjectReference), Ds, "DigestMethod") => Some(Element::DigestMethod),
            (Some(Element::DataObjectReference), Ds, "DigestValue") => Some(Element::DigestValue),
            _ => None,
        }
    }

    fn signature_reference(&mut self, mut attributes: Attributes) -> Result<(), ManifestError> {
        let name = attributes.uri()?;
        attributes.take("MimeType");
        attributes.none_left()?;
        match self.signature_name.replace(name) {
            None => Ok(()),
            Some(_) => Err(ManifestError::SeveralSignatures),
        }
    }

    fn begin_reference(&mut self, mut attributes: Attributes) -> Result<(), ManifestError> {
        if self.references.len() >= self.max_references {
            return Err(ManifestError::TooManyReferences {
                limit: self.max_references,
            });
        }
        let name = attributes.uri()?;
        let media_type = attributes.take("MimeType");
        let rootfile = attributes.boolean("Rootfile")?;
        attributes.none_left()?;
        if !self.names.insert(name.clone()) {
            return Err(ManifestError::DuplicateReference { name });
        }
        if rootfile && std::mem::replace(&mut self.has_rootfile, true) {
            return Err(ManifestError::SeveralRootfiles);
        }
        self.draft = Draft {
            name,
            media_type,
            rootfile,
            ..Draft::default()
        };
        Ok(())
    }

    fn digest_method(&mut self, mut attributes: Attributes) -> Result<(), ManifestError> {
        let uri = attributes.required("Algorithm")?;
        attributes.none_left()?;
        let algorithm =
            DigestAlgorithm::from_uri(&uri).ok_or(ManifestError::UnknownAlgorithm { uri })?;
        match self.draft.algorithm.replace(algorithm) {
            None => Ok(()),
            Some(_) => Err(ManifestError::RepeatedElement {
                name: "DigestMethod",
            }),
        }
    }

    fn begin_digest(&mut self, attributes: &Attributes) -> Result<(), ManifestError> {
        attributes.none_left()?;
        match self.draft.digest.replace(String::new()) {
            None => Ok(()),
            Some(_) => Err(ManifestError::RepeatedElement {
                name: "DigestValue",
            }),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), ManifestError> {
        match (self.stack.last(), &mut self.draft.digest) {
            (Some(Element::DigestValue), Some(digest)) => {
                digest.extend(text.chars().filter(|c| !is_white_space(*c)));
                Ok(())
            }
            (Some(Element::Extension), _) => Ok(()),
            _ if text.chars().all(is_white_space) => Ok(()),
            _ => Err(ManifestError::UnexpectedText),
        }
    }

    fn close(&mut self) -> Result<(), ManifestError> {
        if self.stack.pop() == Some(Element::DataObjectReference) {
            let draft = std::mem::take(&mut self.draft);
            self.references.push(draft.finish()?);
        }
        Ok(())
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), ManifestError> {
        let version = declaration.version()? == "1.0";
        let encoding = match declaration.encoding() {
            None => true,
            Some(Ok(encoding)) => encoding.eq_ignore_ascii_case("UTF-8"),
            Some(Err(_)) => false,
        };
        if self.begun || !version || !encoding {
            return Err(ManifestError::Declaration);
        }
        Ok(())
    }

    fn finish(self) -> Result<Manifest, ManifestError> {
        if !self.begun || !self.stack.is_empty() {
            return Err(ManifestError::Incomplete);
        }
        if self.references.is_empty() {
            return Err(ManifestError::MissingElement {
                name: "DataObjectReference",
            });
        }
        Ok(Manifest {
            signature_name: self.signature_name.ok_or(ManifestError::NoSignature)?,
            references: self.references,
        })
    }
}

impl Draft {
    fn finish(self) -> Result<Reference, ManifestError> {
        let missing = |name| ManifestError::MissingElement { name };
        let algorithm = self.algorithm.ok_or_else(|| missing("DigestMethod"))?;
        let text = self.digest.ok_or_else(|| missing("DigestValue"))?;
        let digest = STANDARD
            .decode(text)
            .ok()
            .filter(|digest| digest.len() == algorithm.output_bytes());
        let Some(digest) = digest else {
            return Err(ManifestError::BadDigest { name: self.name });
        };
        Ok(Reference {
            name: self.name,
            media_type: self.media_type,
            rootfile: self.rootfile,
            algorithm,
            digest,
        })
    }
}

/// The attributes of an element that are in no namespace, those of others left out.
struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn read(start: &BytesStart<'_>) -> Result<Self, ManifestError> {
        let mut attributes = BTreeMap::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(quick_xml::Error::from)?;
            let key = attribute.key.into_inner();
            if key == "xmlns" || key.contains(':') {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Explicit1_0)?;
            attributes.insert(key.to_owned(), value.into_owned());
        }
        Ok(Self(attributes))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn required(&mut self, name: &'static str) -> Result<String, ManifestError> {
        self.take(name)
            .ok_or(ManifestError::MissingAttribute { name })
    }

    fn uri(&mut self) -> Result<String, ManifestError> {
        let uri = self.required("URI")?;
        decode_uri(&uri)
            .filter(|name| !name.is_empty())
            .ok_or(ManifestError::BadUri { uri })
    }

    fn boolean(&mut self, name: &str) -> Result<bool, ManifestError> {
        match self.take(name).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(value) => Err(ManifestError::BadBoolean {
                value: value.to_owned(),
            }),
        }
    }

    fn none_left(&self) -> Result<(), ManifestError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(ManifestError::UnexpectedAttribute { name: name.clone() }),
        }
    }

    /// Extensions that need not be understood are passed over.
    fn not_critical(mut self) -> Result<(), ManifestError> {
        if self.boolean("Critical")? {
            return Err(ManifestError::CriticalExtension);
        }
        Ok(())
    }
}

fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}
