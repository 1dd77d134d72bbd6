//! Everything about a document that can be checked before its files are here.

use consign_domain::code::AgencyCode;
use consign_domain::document::{
    Document, DocumentSigner, DocumentTag, DocumentType, FileEntry, InReplyTo, Issuer, Notation,
    Number, Steering, Urgency,
};
use consign_domain::limits::{MAX_LIFE_SECONDS, MAX_RECIPIENTS};
use consign_domain::statement::Recipients;
use consign_domain::text::Line;
use consign_domain::{Date, DocumentId};
use consign_verify::directory::Became;

use super::{ComposeError, ComposeRequest, DEFAULT_EXPIRE_DAYS, FieldFault, RecipientName, groups};
use crate::context::Context;
use crate::index::IndexError;

/// Finds documents that an answer may name: `reply_targets` of the index.
pub(crate) type FindReplies<'a> = &'a dyn Fn(&str) -> Result<Vec<InReplyTo>, IndexError>;

/// Where a draft takes what the request does not say.
pub(crate) struct Sources<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) find_replies: FindReplies<'a>,
    /// The document's id, fresh.
    pub(crate) document_id: DocumentId,
}

/// A checked request: a document without its number and files.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) number: Option<Number>,
    pub(crate) notation: Notation,
    pub(crate) recipients: Vec<RecipientName>,
    pub(crate) expire_days: u32,
    pub(crate) issued_on: Date,
    document: Document,
}

impl Draft {
    /// Checks a request against the directory.
    pub(crate) fn new(
        request: &ComposeRequest,
        sources: &Sources<'_>,
    ) -> Result<Self, ComposeError> {
        if !request.secrecy.trim().is_empty() {
            return Err(ComposeError::StateSecret);
        }
        let context = sources.context;
        if !context.directory.is_fresh(context.now) {
            return Err(ComposeError::DirectoryExpired);
        }
        context.check_revocation()?;
        let issuer = issuer(context)?;
        let recipients = recipients(request, context)?;
        let document_type = document_type(request)?;
        let notation = notation(request, document_type, &issuer.code)?;
        let number = optional(&request.number, Number::tidy, "number")?;
        let issued_on = issued_on(request, context)?;
        let codes = recipients.iter().map(|recipient| recipient.code.clone());
        let addressees = Recipients::new(codes.collect()).map_err(|_| ComposeError::NoRecipient)?;
        // Number and main file take their places when they are known.
        let placeholder = FileEntry {
            name: text("main file", "-")?,
            media_type: text("media type", "-")?,
            title: None,
        };
        let document = Document {
            tag: DocumentTag::V1,
            id: sources.document_id,
            issuer,
            addressees,
            number: Number::tidy("1").map_err(ComposeError::field("number"))?,
            notation: notation.clone(),
            document_type,
            subject: text("subject", &request.subject)?,
            issued_on,
            issued_at: optional(&request.issued_at, Line::tidy, "place of issue")?,
            signed_by: signed_by(request)?,
            urgency: ranged(request.urgency, Urgency::from_value, "urgency", "0 to 4")?,
            due: optional(&request.due, |text| text.trim().parse(), "due date")?,
            in_reply_to: replies(request, sources)?,
            amends: Vec::new(),
            copy_kind: None,
            places: request
                .places
                .iter()
                .map(|place| text("place", place))
                .collect::<Result<_, _>>()?,
            pages: Some(request.pages).filter(|pages| *pages > 0),
            copies: Some(request.copies).filter(|copies| *copies > 0),
            language: None,
            appendixes: Vec::new(),
            steering: ranged(request.steering, Steering::from_value, "steering", "0 to 2")?,
            secrecy: None,
            main: placeholder,
            attachments: Vec::new(),
        };
        document
            .check()
            .map_err(|source| ComposeError::Document { source })?;
        Ok(Self {
            number,
            notation,
            recipients,
            expire_days: expire_days(request)?,
            issued_on,
            document,
        })
    }

    /// The document with its number and files, checked as a whole.
    pub(crate) fn document(
        &self,
        number: Number,
        files: Vec<FileEntry>,
    ) -> Result<Document, ComposeError> {
        let mut files = files.into_iter();
        let document = Document {
            number,
            main: files.next().ok_or(ComposeError::NoFile)?,
            attachments: files.collect(),
            ..self.document.clone()
        };
        // Reading it back applies every rule that its recipients will apply.
        Document::parse(&document.to_bytes()).map_err(|source| ComposeError::Document { source })
    }
}

/// The sending agency, as the directory names it now.
fn issuer(context: &Context<'_>) -> Result<Issuer, ComposeError> {
    let code = context.keys.code(context.directory, context.now);
    let known = context.directory.active_agency(&code, context.now);
    let name = known
        .filter(|agency| agency.id == context.keys.id)
        .and_then(|agency| agency.name_at(context.now))
        .and_then(|name| Line::new(name).ok());
    if let Some(name) = name {
        return Ok(Issuer { code, name });
    }
    match context.directory.now_known_as(&code, context.now) {
        Some(Became::MergedInto(successor)) => {
            let successor = successor.clone();
            Err(ComposeError::SenderMerged { code, successor })
        }
        _ => Err(ComposeError::SenderUnknown { code }),
    }
}

fn recipients(
    request: &ComposeRequest,
    context: &Context<'_>,
) -> Result<Vec<RecipientName>, ComposeError> {
    let count = request.to.len();
    if count > 2 * MAX_RECIPIENTS {
        return Err(ComposeError::TooManyRecipients { count });
    }
    let (mut found, mut unknown) = (Vec::with_capacity(count), Vec::new());
    for text in &request.to {
        match recipient(text.trim(), context) {
            Some(recipient) if recipient.id == context.keys.id => {
                return Err(ComposeError::OwnCode {
                    code: recipient.code,
                });
            }
            Some(recipient) => found.push(recipient),
            None => unknown.push(unknown_recipient(text.trim(), context)),
        }
    }
    found.extend(groups::members(&request.to_groups, context)?);
    found.sort_by(|a, b| a.code.cmp(&b.code));
    found.dedup_by(|a, b| a.code == b.code);
    match (unknown.is_empty(), found.len()) {
        (false, _) => Err(ComposeError::Recipients { unknown }),
        (true, 0) => Err(ComposeError::NoRecipient),
        (true, count) if count > MAX_RECIPIENTS => Err(ComposeError::TooManyRecipients { count }),
        _ => Ok(found),
    }
}

/// An active agency that can be encrypted to, by either form of its code.
pub(super) fn recipient(text: &str, context: &Context<'_>) -> Option<RecipientName> {
    let code = AgencyCode::read(text).ok()?;
    let agency = context.directory.active_agency(&code, context.now)?;
    agency.encryption_key_at(context.now)?;
    let name = agency.name_at(context.now).unwrap_or(code.as_str());
    Some(RecipientName {
        id: agency.id,
        name: name.to_owned(),
        code,
    })
}

/// A recipient as it was given, with what became of it where that is known.
fn unknown_recipient(text: &str, context: &Context<'_>) -> String {
    let text: String = text.chars().take(60).collect();
    let code = AgencyCode::read(&text).ok();
    let became = code.and_then(|code| {
        let became = context.directory.now_known_as(&code, context.now)?;
        Some(format!("{text} ({became})"))
    });
    became.unwrap_or(text)
}

fn document_type(request: &ComposeRequest) -> Result<DocumentType, ComposeError> {
    match request.document_type.trim() {
        "" => Ok(DocumentType::OFFICIAL_LETTER),
        text => DocumentType::read(text).map_err(ComposeError::field("document type")),
    }
}

/// As given, or from the type's abbreviation and the agency's code: `QĐ-H49.13`.
fn notation(
    request: &ComposeRequest,
    document_type: DocumentType,
    code: &AgencyCode,
) -> Result<Notation, ComposeError> {
    let given = match (request.notation.trim(), document_type.abbreviation()) {
        ("", Some(abbreviation)) => format!("{abbreviation}-{code}"),
        ("", None) => code.to_string(),
        (given, _) => {
            return text::<30>("notation", given)?
                .as_str()
                .parse()
                .map_err(ComposeError::field("notation"));
        }
    };
    given.parse().map_err(ComposeError::field("notation"))
}

fn issued_on(request: &ComposeRequest, context: &Context<'_>) -> Result<Date, ComposeError> {
    let today = context.now.date_in_vietnam();
    let given = optional(
        &request.issued_on,
        |text| text.trim().parse(),
        "day of issue",
    )?;
    match given.unwrap_or(today) {
        date if date > today => Err(ComposeError::InFuture),
        date => Ok(date),
    }
}

fn signed_by(request: &ComposeRequest) -> Result<Option<DocumentSigner>, ComposeError> {
    let competence = optional(
        &request.signer_competence,
        Line::tidy,
        "signer's competence",
    )?;
    let position = optional(&request.signer_position, Line::tidy, "signer's position")?;
    let name = optional(&request.signer_name, Line::tidy, "signer's name")?;
    match name {
        Some(name) => Ok(Some(DocumentSigner {
            competence,
            position,
            name,
        })),
        None if competence.is_some() || position.is_some() => {
            text::<50>("signer's name", "").map(|_| None)
        }
        None => Ok(None),
    }
}

fn expire_days(request: &ComposeRequest) -> Result<u32, ComposeError> {
    match request.expire_days {
        0 => Ok(DEFAULT_EXPIRE_DAYS),
        days if u64::from(days) * 86_400 <= MAX_LIFE_SECONDS => Ok(days),
        _ => Err(ComposeError::field("days to live")(FieldFault::Range {
            allowed: "1 to 90",
        })),
    }
}

fn replies(
    request: &ComposeRequest,
    sources: &Sources<'_>,
) -> Result<Vec<InReplyTo>, ComposeError> {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for text in request.in_reply_to.iter().take(2 * MAX_RECIPIENTS) {
        match reply(text.trim(), sources)? {
            Some(reply) => found.push(reply),
            None => unknown.push(text.trim().chars().take(60).collect()),
        }
    }
    if unknown.is_empty() {
        Ok(found)
    } else {
        Err(ComposeError::Replies { texts: unknown })
    }
}

/// The document that a text names: written out, or the only one here of that id or symbol.
fn reply(text: &str, sources: &Sources<'_>) -> Result<Option<InReplyTo>, ComposeError> {
    if let Some(reply) = written_out(text) {
        return Ok(Some(reply));
    }
    let mut found = (sources.find_replies)(text)?;
    found.dedup_by(|a, b| a.document == b.document);
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// `H49.13:45/QĐ-SNV`.
fn written_out(text: &str) -> Option<InReplyTo> {
    let (agency, symbol) = text.split_once(':')?;
    let (number, notation) = symbol.split_once('/')?;
    Some(InReplyTo {
        agency: AgencyCode::read(agency.trim()).ok()?,
        number: Some(Number::tidy(number).ok()?),
        notation: Some(notation.trim().parse().ok()?),
        date: None,
        document: None,
    })
}

fn text<const LIMIT: usize>(field: &'static str, text: &str) -> Result<Line<LIMIT>, ComposeError> {
    Line::tidy(text).map_err(ComposeError::field(field))
}

/// Nothing for white space, otherwise what `read` makes of the text.
fn optional<T, E: Into<FieldFault>>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
    field: &'static str,
) -> Result<Option<T>, ComposeError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    read(text).map(Some).map_err(ComposeError::field(field))
}

fn ranged<T>(
    value: u32,
    read: impl FnOnce(u64) -> Option<T>,
    field: &'static str,
    allowed: &'static str,
) -> Result<T, ComposeError> {
    read(u64::from(value)).ok_or_else(|| ComposeError::field(field)(FieldFault::Range { allowed }))
}
