use bytes::Bytes;
use flate2::Compression;
use tributary_api::{Record, Result};

use crate::buffer::Buffer;
use crate::format::Format;
use crate::upload::{Completed, Parts, Uploader};

/// One object of a partition, from its first record until it is complete.
#[derive(Debug)]
pub(crate) struct Object {
    name: String,
    start: i64,
    end: i64,
    records: usize,
    content: Content,
    /// A part that could not be sent, and is sent before anything else.
    part: Option<Bytes>,
    parts: Option<Parts>,
}

/// The content that is not sent yet.
#[derive(Debug)]
enum Content {
    Growing(Buffer),
    Whole(Bytes),
}

impl Object {
    pub(crate) fn new(name: String, start: i64, gzip: Option<Compression>) -> Self {
        let content = Content::Growing(Buffer::new(gzip));
        Self { name, start, end: start, records: 0, content, part: None, parts: None }
    }

    /// Its first offset.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// Its last offset.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Appends a record atomically. A sealed object accepts none.
    pub(crate) fn append(&mut self, offset: i64, record: &Record, format: &Format) -> Result<()> {
        if let Content::Growing(buffer) = &mut self.content {
            buffer.append(format, record)?;
            self.end = offset;
            self.records += 1;
        }
        Ok(())
    }

    /// Seals the object: no records will be added.
    pub(crate) fn seal(mut self) -> Result<Self> {
        if let Content::Growing(buffer) = self.content {
            self.content = Content::Whole(buffer.finish()?.into());
        }
        Ok(self)
    }

    /// Parts that were sent.
    pub(crate) fn parts(&self) -> usize {
        self.parts.as_ref().map_or(0, Parts::count)
    }

    /// Bytes held in memory.
    pub(crate) fn buffered(&self) -> usize {
        self.content.len() + self.part.as_ref().map_or(0, Bytes::len)
    }

    /// Sends the buffered bytes as the next part; `false` when the server no longer knows the upload.
    pub(crate) async fn send_part(&mut self, uploader: &Uploader) -> Result<bool> {
        let body = self.part.take().unwrap_or_else(|| self.content.take());
        // If sending fails, this part is sent first the next time.
        self.part = Some(body.clone());
        if self.parts.is_none() {
            self.parts = Some(uploader.begin(&self.name).await?);
        }
        if let Some(parts) = &mut self.parts
            && !uploader.send(&self.name, parts, body).await?
        {
            return Ok(false);
        }
        self.part = None;
        Ok(true)
    }

    /// Sends the rest of a sealed object and makes it visible: in a single request unless parts of it have been sent.
    pub(crate) async fn complete(&mut self, uploader: &Uploader) -> Result<Completed> {
        if self.parts.is_none()
            && self.part.is_none()
            && let Content::Whole(body) = &self.content
        {
            return uploader.put(&self.name, body.clone(), self.end).await;
        }
        while self.buffered() > 0 {
            if !self.send_part(uploader).await? {
                return Ok(Completed::Vanished);
            }
        }
        match &self.parts {
            Some(parts) => uploader.complete(&self.name, parts, self.end).await,
            None => Ok(Completed::Written),
        }
    }

    /// Discards the object and removes the parts that were sent.
    pub(crate) async fn discard(self, uploader: &Uploader) {
        if let Some(parts) = &self.parts {
            uploader.abort(&self.name, parts).await;
        }
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Growing(buffer) => buffer.len(),
            Self::Whole(bytes) => bytes.len(),
        }
    }

    fn take(&mut self) -> Bytes {
        match self {
            Self::Growing(buffer) => buffer.take().into(),
            Self::Whole(bytes) => std::mem::take(bytes),
        }
    }
}
