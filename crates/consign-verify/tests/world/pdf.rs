//! PDF files as a signer's program writes them: revisions with tables of cross-references, each
//! over what stands before, and signatures over all of it.

#![allow(
    clippy::indexing_slicing,
    reason = "offsets are those that were just written"
)]

use consign_domain::Timestamp;
use consign_pki::cms;
use consign_pki::issue::{AuthorityName, CertificateAuthority, Validity, create_request};
use consign_pki::seal::{FileSealKey, KeyKind};
use consign_pki::timestamp::{Authority, Grant, PLACEHOLDER_POLICY, Request, token_of};

use super::{Agency, DAY, World, now};

/// Hexadecimal digits that the contents of a signature may have.
const ROOM: usize = 16 * 1024;

/// A file that grows by revisions.
#[derive(Clone)]
pub(crate) struct PdfFile {
    bytes: Vec<u8>,
    fields: Vec<u32>,
    next: u32,
}

/// Numbers of the objects that a signature has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) field: u32,
    pub(crate) signature: u32,
}

impl PdfFile {
    /// One page with a text.
    pub(crate) fn new() -> Self {
        let mut file = Self {
            bytes: b"%PDF-1.7\n".to_vec(),
            fields: Vec::new(),
            next: 6,
        };
        let text = "BT /F1 24 Tf 72 720 Td (Cong van so 45) Tj ET";
        file.revision(&[
            (1, file.catalog()),
            (2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned()),
            (3, file.page("4 0 R")),
            (4, stream(text)),
            (
                5,
                "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
            ),
        ]);
        file
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn catalog(&self) -> String {
        let fields: String = self
            .fields
            .iter()
            .map(|field| format!("{field} 0 R "))
            .collect();
        let form = match self.fields.as_slice() {
            [] => String::new(),
            _ => format!("/AcroForm << /Fields [{fields}] /SigFlags 3 >> "),
        };
        format!("<< /Type /Catalog /Pages 2 0 R {form}>>")
    }

    fn page(&self, contents: &str) -> String {
        let annotations: String = self
            .fields
            .iter()
            .map(|field| format!("{field} 0 R "))
            .collect();
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {contents} \
             /Resources << /Font << /F1 5 0 R >> >> /Annots [{annotations}] >>"
        )
    }

    /// Adds objects and a table for them.
    pub(crate) fn revision(&mut self, objects: &[(u32, String)]) {
        let offsets: Vec<(u32, usize)> = objects
            .iter()
            .map(|(number, body)| {
                let offset = self.bytes.len();
                self.bytes
                    .extend(format!("{number} 0 obj\n{body}\nendobj\n").bytes());
                (*number, offset)
            })
            .collect();
        self.table(&offsets, &[]);
    }

    fn table(&mut self, used: &[(u32, usize)], free: &[u32]) {
        let start = self.bytes.len();
        let mut table = "xref\n".to_owned();
        for (number, offset) in used {
            table += &format!("{number} 1\n{offset:010} 00000 n \n");
        }
        for number in free {
            table += &format!("{number} 1\n0000000000 00001 f \n");
        }
        let size = self.next;
        table += &format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
        self.bytes.extend(table.bytes());
    }

    /// Replaces what the page says.
    pub(crate) fn change_text(&mut self) {
        let text = "BT /F1 24 Tf 72 720 Td (Cong van so 46) Tj ET";
        self.revision(&[(4, stream(text))]);
    }

    /// Takes a field's signature away.
    pub(crate) fn empty_field(&mut self, placed: Placed) {
        self.revision(&[(placed.field, field(placed.field, None))]);
    }

    /// Takes a field out of the form.
    pub(crate) fn drop_field(&mut self, placed: Placed) {
        self.fields.retain(|field| *field != placed.field);
        self.revision(&[(1, self.catalog()), (3, self.page("4 0 R"))]);
    }

    /// Calls a field's number free.
    pub(crate) fn free_field(&mut self, placed: Placed) {
        self.table(&[], &[placed.field]);
    }

    /// A note on the page.
    pub(crate) fn annotate(&mut self) {
        let number = self.number();
        let note = "<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (OK) >>";
        self.revision(&[(number, note.to_owned())]);
    }

    /// Objects in a packed stream.
    pub(crate) fn pack(&mut self) {
        let number = self.number();
        let packed = "<< /Type /ObjStm /N 0 /First 0 /Length 0 >>\nstream\n\nendstream";
        self.revision(&[(number, packed.to_owned())]);
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// A revision with a signature over all of the file; `entries` go into its dictionary.
    pub(crate) fn signed_by(
        &mut self,
        entries: &str,
        sign: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Placed {
        const RANGE: &str = "[0000000000 0000000000 0000000000 0000000000]";
        let placed = Placed {
            field: self.number(),
            signature: self.number(),
        };
        self.fields.push(placed.field);
        let (begin, room) = (self.bytes.len(), "0".repeat(ROOM));
        let dictionary = format!("<< {entries} /ByteRange {RANGE} /Contents <{room}> >>");
        self.revision(&[
            (1, self.catalog()),
            (3, self.page("4 0 R")),
            (placed.field, field(placed.field, Some(placed.signature))),
            (placed.signature, dictionary),
        ]);
        let place = |text: &str| {
            let mut windows = self.bytes[begin..].windows(text.len());
            begin
                + windows
                    .position(|window| window == text.as_bytes())
                    .unwrap()
        };
        let gap = place("/Contents <0") + "/Contents ".len();
        let (after, range) = (gap + ROOM + 2, place(RANGE));
        let length = self.bytes.len() - after;
        let text = format!("[0000000000 {gap:010} {after:010} {length:010}]");
        self.bytes[range..range + RANGE.len()].copy_from_slice(text.as_bytes());
        let signed = [&self.bytes[..gap], &self.bytes[after..]].concat();
        let contents = hex::encode(sign(&signed));
        self.bytes[gap + 1..gap + 1 + contents.len()].copy_from_slice(contents.as_bytes());
        placed
    }

    /// The agency's signature. `certifies`: P of a certification.
    pub(crate) fn sign(&mut self, world: &World, agency: &Agency, certifies: Option<u8>) -> Placed {
        let reference = certifies.map(|level| {
            format!(
                " /Reference [<< /Type /SigRef /TransformMethod /DocMDP \
                 /TransformParams << /Type /TransformParams /V /1.2 /P {level} >> >>]"
            )
        });
        let reference = reference.unwrap_or_default();
        let entries = format!("/Type /Sig /SubFilter /ETSI.CAdES.detached{reference}");
        let chain = [world.issuing.certificate_der().to_vec()];
        let (key, certificate, at) = (&agency.seal, &agency.certificate, now().as_unix());
        self.signed_by(&entries, |signed| {
            cms::sign_detached(key, certificate, &chain, signed, at).unwrap()
        })
    }

    /// A time-stamp over the file.
    pub(crate) fn stamp(&mut self, by: &Authority<FileSealKey>, at: Timestamp) -> Placed {
        let entries = "/Type /DocTimeStamp /SubFilter /ETSI.RFC3161";
        self.signed_by(entries, |signed| {
            let request = Request::over(signed, [7; 8]);
            let grant = Grant {
                time: at.as_unix(),
                serial: [1; 16],
            };
            token_of(&by.answer(request.to_der(), grant).unwrap(), &request).unwrap()
        })
    }
}

fn stream(text: &str) -> String {
    format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len())
}

fn field(number: u32, value: Option<u32>) -> String {
    let value = value.map(|value| format!("/V {value} 0 R "));
    let value = value.unwrap_or_default();
    format!(
        "<< /Type /Annot /Subtype /Widget /FT /Sig /T (S{number}) {value}/Rect [0 0 0 0] \
         /P 3 0 R >>"
    )
}

/// A time-stamp authority that counts for ten years.
pub(crate) fn stamper(issuing: &CertificateAuthority) -> Authority<FileSealKey> {
    let key = FileSealKey::generate(KeyKind::EcdsaP256).unwrap();
    let name = AuthorityName {
        organization: "Tỉnh Quảng Ninh".to_owned(),
        common_name: "Dấu thời gian".to_owned(),
    };
    let validity = Validity {
        not_before: now().minus_seconds(DAY).as_unix(),
        not_after: now().plus_seconds(10 * 365 * DAY).as_unix(),
    };
    let request = create_request(&key, "tsa").unwrap();
    let certificate = issuing
        .issue_time_stamping(&request, &name, validity, &[0x30, 1])
        .unwrap();
    let chain = vec![issuing.certificate_der().to_vec()];
    Authority::new(key, certificate, chain, PLACEHOLDER_POLICY).unwrap()
}

/// Lists of root and issuing authority that revoke nobody, good for ten years.
pub(crate) fn lists(world: &World) -> Vec<Vec<u8>> {
    let validity = Validity {
        not_before: now().minus_seconds(DAY).as_unix(),
        not_after: now().plus_seconds(10 * 365 * DAY).as_unix(),
    };
    [&world.root, &world.issuing]
        .map(|authority| authority.revocation_list(&[], 1, validity).unwrap())
        .to_vec()
}
