use mongodb::bson::spec::ElementType;
use mongodb::bson::{Document, RawDocument};
use tributary_api::{Error, Result};

/// The maximum nesting of documents. MongoDB's own limit is about this.
const MAX_DEPTH: usize = 180;
/// Up to this many names are compared one by one to find duplicates.
const MAX_REMEMBERED_NAMES: usize = 512;

/// Encodes one document as BSON (bsonspec.org, version 1.1) directly from the input. Its buffers are reused for the
/// next document.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    out: Vec<u8>,
    frames: Vec<Frame>,
    /// Hashes of the names in the open documents.
    names: Vec<u64>,
    /// Where the type of the value that is written next belongs.
    kind_at: usize,
    /// Whether names may come twice.
    checks_names: bool,
    repeated: bool,
    id: Option<Span>,
}

/// An open document or array.
#[derive(Debug)]
struct Frame {
    start: usize,
    first_name: usize,
    next_index: Option<u32>,
}

/// Where the element `_id` of the document is, from its type on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Encoder {
    /// Begins a new document. `checks_names`: of elements with one name, the last value counts, at the first place.
    pub(crate) fn restart(&mut self, checks_names: bool) {
        self.out.clear();
        self.frames.clear();
        self.names.clear();
        self.checks_names = checks_names;
        self.repeated = false;
        self.id = None;
        self.kind_at = 0;
        self.frames.push(Frame { start: 0, first_name: 0, next_index: None });
        self.out.extend_from_slice(&[0; 4]);
    }

    /// Ends the document.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.end();
        if !self.repeated {
            return Ok(());
        }
        let document = Document::try_from(self.document()?);
        let document = document.map_err(|error| Error::data("a document is not valid").cause(&error))?;
        self.load(&document)
    }

    /// Encodes a whole document.
    pub(crate) fn load(&mut self, document: &Document) -> Result<()> {
        self.out.clear();
        self.id = None;
        let written = document.to_writer(&mut self.out);
        written.map_err(|error| Error::data("cannot write a document").cause(&error))?;
        self.find_id()
    }

    /// Copies the bytes of a valid document.
    pub(crate) fn copy(&mut self, document: &RawDocument) -> Result<()> {
        self.out.clear();
        self.id = None;
        self.out.extend_from_slice(document.as_bytes());
        self.find_id()
    }

    /// Puts a document together: its `_id`, and its other elements before and after it.
    pub(crate) fn join(&mut self, before: &[u8], id: &[u8], behind: &[u8]) {
        self.out.clear();
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(before);
        let start = self.out.len();
        self.out.extend_from_slice(id);
        self.id = Some(Span { start, end: self.out.len() });
        self.out.extend_from_slice(behind);
        self.out.push(0);
        self.patch_length(0);
    }

    /// The document that was finished.
    pub(crate) fn document(&self) -> Result<&RawDocument> {
        RawDocument::from_bytes(&self.out).map_err(|error| Error::data("a document is not valid").cause(&error))
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Its `_id`, if it has one.
    pub(crate) fn id(&self) -> Option<Span> {
        self.id
    }

    fn find_id(&mut self) -> Result<()> {
        let mut start = 4;
        let mut found = None;
        for element in super::raw::elements(self.document()?) {
            let element = element?;
            if element.name == "_id" {
                found = Some(Span { start, end: start + element.bytes.len() });
                break;
            }
            start += element.bytes.len();
        }
        self.id = found;
        Ok(())
    }

    /// The name of the next value.
    pub(crate) fn name(&mut self, name: &str) -> Result<()> {
        if name.as_bytes().contains(&0) {
            return Err(Error::data(format!(
                "the field name {name:?} contains a zero byte: MongoDB does not accept that"
            )));
        }
        if self.checks_names {
            self.check_name(name);
        }
        if self.frames.len() == 1 {
            self.end_id();
            if name == "_id" {
                self.id = Some(Span { start: self.out.len(), end: 0 });
            }
        }
        self.kind_at = self.out.len();
        self.out.reserve(name.len() + 2);
        self.out.push(0);
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(0);
        Ok(())
    }

    /// The next value is the next element of the array.
    pub(crate) fn element(&mut self) {
        let Some(index) = self.frames.last_mut().and_then(|frame| frame.next_index.as_mut()) else { return };
        let number = *index;
        *index += 1;
        self.kind_at = self.out.len();
        self.out.push(0);
        let mut digits = [0; 10];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
        self.out.push(0);
    }

    /// Begins a document as the value.
    pub(crate) fn begin_document(&mut self) -> Result<()> {
        self.begin(ElementType::EmbeddedDocument, None)
    }

    /// Begins an array as the value.
    pub(crate) fn begin_array(&mut self) -> Result<()> {
        self.begin(ElementType::Array, Some(0))
    }

    fn begin(&mut self, kind: ElementType, next_index: Option<u32>) -> Result<()> {
        self.kind(kind);
        self.open(next_index)
    }

    fn open(&mut self, next_index: Option<u32>) -> Result<()> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(Error::data(format!(
                "the document is more than {MAX_DEPTH} levels deep: MongoDB does not accept that"
            )));
        }
        self.frames.push(Frame { start: self.out.len(), first_name: self.names.len(), next_index });
        self.out.extend_from_slice(&[0; 4]);
        Ok(())
    }

    /// Ends the document or array begun last.
    pub(crate) fn end(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if self.frames.is_empty() {
            self.end_id();
        }
        self.names.truncate(frame.first_name);
        self.out.push(0);
        self.patch_length(frame.start);
    }

    fn patch_length(&mut self, start: usize) {
        let length = i32::try_from(self.out.len() - start).unwrap_or(i32::MAX);
        self.out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn end_id(&mut self) {
        if let Some(id) = &mut self.id
            && id.end == 0
        {
            id.end = self.out.len();
        }
    }

    fn check_name(&mut self, name: &str) {
        let hash = hash(name.as_bytes());
        let Some(frame) = self.frames.last() else { return };
        let before = &self.names[frame.first_name..];
        // Two names with the same hash may be equal: the slow path decides.
        self.repeated |= before.len() >= MAX_REMEMBERED_NAMES || before.contains(&hash);
        if !self.repeated {
            self.names.push(hash);
        }
    }

    /// Sets the type of the value that is written next.
    fn kind(&mut self, kind: ElementType) {
        self.out[self.kind_at] = kind as u8;
    }

    /// A value of a type, by its bytes: none for null, the least and the greatest key, undefined.
    pub(crate) fn value(&mut self, kind: ElementType, bytes: &[u8]) {
        self.kind(kind);
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn null(&mut self) {
        self.kind(ElementType::Null);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.kind(ElementType::Boolean);
        self.out.push(value.into());
    }

    pub(crate) fn int32(&mut self, value: i32) {
        self.kind(ElementType::Int32);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn int64(&mut self, value: i64) {
        self.kind(ElementType::Int64);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn double(&mut self, value: f64) {
        self.kind(ElementType::Double);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn decimal(&mut self, bytes: [u8; 16]) {
        self.kind(ElementType::Decimal128);
        self.out.extend_from_slice(&bytes);
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) fn date(&mut self, milliseconds: i64) {
        self.kind(ElementType::DateTime);
        self.out.extend_from_slice(&milliseconds.to_le_bytes());
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.kind(ElementType::String);
        self.text(text);
    }

    pub(crate) fn symbol(&mut self, text: &str) {
        self.kind(ElementType::Symbol);
        self.text(text);
    }

    pub(crate) fn code(&mut self, text: &str) {
        self.kind(ElementType::JavaScriptCode);
        self.text(text);
    }

    /// Begins code with the variables it sees; [`end_scope`](Self::end_scope) ends it, with the place answered.
    pub(crate) fn begin_scope(&mut self, code: &str) -> Result<usize> {
        self.kind(ElementType::JavaScriptCodeWithScope);
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        self.text(code);
        self.open(None)?;
        Ok(start)
    }

    pub(crate) fn end_scope(&mut self, start: usize) {
        self.end();
        self.patch_length(start);
    }

    pub(crate) fn binary(&mut self, subtype: u8, bytes: &[u8]) {
        self.kind(ElementType::Binary);
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        // The old generic subtype repeats the length inside.
        if subtype == 2 {
            self.out.extend_from_slice(&length.saturating_add(4).to_le_bytes());
            self.out.push(subtype);
            self.out.extend_from_slice(&length.to_le_bytes());
        } else {
            self.out.extend_from_slice(&length.to_le_bytes());
            self.out.push(subtype);
        }
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn object_id(&mut self, bytes: [u8; 12]) {
        self.kind(ElementType::ObjectId);
        self.out.extend_from_slice(&bytes);
    }

    pub(crate) fn timestamp(&mut self, time: u32, increment: u32) {
        self.kind(ElementType::Timestamp);
        self.out.extend_from_slice(&increment.to_le_bytes());
        self.out.extend_from_slice(&time.to_le_bytes());
    }

    /// Options are letters; they are kept in order of the alphabet.
    pub(crate) fn regex(&mut self, pattern: &str, options: &str) -> Result<()> {
        if pattern.contains('\0') || options.contains('\0') {
            return Err(Error::data("a regular expression contains a zero byte: MongoDB does not accept that"));
        }
        self.kind(ElementType::RegularExpression);
        self.out.extend_from_slice(pattern.as_bytes());
        self.out.push(0);
        let mut options: Vec<char> = options.chars().collect();
        options.sort_unstable();
        self.out.extend_from_slice(String::from_iter(options).as_bytes());
        self.out.push(0);
        Ok(())
    }

    pub(crate) fn pointer(&mut self, namespace: &str, id: [u8; 12]) {
        self.kind(ElementType::DbPointer);
        self.text(namespace);
        self.out.extend_from_slice(&id);
    }

    fn text(&mut self, text: &str) {
        let length = i32::try_from(text.len() + 1).unwrap_or(i32::MAX);
        self.out.reserve(text.len() + 5);
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
    }
}

/// A fast hash that suffices to compare the names of one document.
fn hash(bytes: &[u8]) -> u64 {
    const K: u64 = 0x517c_c1b7_2722_0a95;
    let mut hash = bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(K);
    }
    let tail = rest.iter().fold(0, |tail: u64, byte| tail << 8 | u64::from(*byte));
    (hash.rotate_left(5) ^ tail).wrapping_mul(K)
}
