use std::collections::VecDeque;

use bytes::Bytes;
use tributary_api::{Record, Result, TopicPartition};

use crate::buffer::Buffer;
use crate::config::Settings;
use crate::upload::{Completed, Parts, Uploader};

/// The objects of one partition: one that grows, and full ones that wait to be written.
#[derive(Debug)]
pub(crate) struct Writer {
    partition: TopicPartition,
    growing: Option<Object>,
    full: VecDeque<Object>,
    /// The offset that comes next; lower ones are here already and come again with a repeated batch.
    next: Option<i64>,
    /// Everything below is safe.
    safe: Option<i64>,
}

#[derive(Debug)]
struct Object {
    name: String,
    end: i64,
    records: usize,
    content: Content,
    /// A part that is to be sent before anything else.
    part: Option<Bytes>,
    parts: Option<Parts>,
}

/// What is not sent yet.
#[derive(Debug)]
enum Content {
    Growing(Buffer),
    Whole(Bytes),
}

impl Writer {
    pub(crate) fn new(partition: TopicPartition) -> Self {
        Self { partition, growing: None, full: VecDeque::new(), next: None, safe: None }
    }

    /// Takes a record, unless it is here already.
    pub(crate) fn append(&mut self, offset: i64, record: &Record, settings: &Settings) -> Result<()> {
        if self.next.is_some_and(|next| offset < next) {
            return Ok(());
        }
        let object = self.growing.get_or_insert_with(|| Object {
            name: settings.names.object(&self.partition, offset),
            end: offset,
            records: 0,
            content: Content::Growing(Buffer::new(settings.gzip)),
            part: None,
            parts: None,
        });
        if let Content::Growing(buffer) = &mut object.content
            && let Err(error) = buffer.append(&settings.format, record)
        {
            if object.records == 0 {
                self.growing = None;
            }
            return Err(error);
        }
        object.end = offset;
        object.records += 1;
        self.next = Some(offset + 1);
        if object.records >= settings.flush_size {
            self.seal()?;
        }
        Ok(())
    }

    /// Leaves a record out.
    pub(crate) fn skip(&mut self, offset: i64) {
        if self.next.is_some_and(|next| offset < next) {
            return;
        }
        self.next = Some(offset + 1);
        if self.growing.is_none() && self.full.is_empty() {
            self.safe = self.next;
        }
    }

    /// Ends the object that grows: it holds what it should.
    pub(crate) fn seal(&mut self) -> Result<()> {
        let Some(mut object) = self.growing.take() else { return Ok(()) };
        if let Content::Growing(buffer) = object.content {
            object.content = Content::Whole(buffer.finish()?.into());
        }
        self.full.push_back(object);
        Ok(())
    }

    /// Bytes held in memory.
    pub(crate) fn buffered(&self) -> usize {
        let all = self.growing.iter().chain(&self.full);
        all.map(Object::buffered).sum()
    }

    /// Whether there is anything to send.
    pub(crate) fn wants(&self, part_size: usize) -> bool {
        !self.full.is_empty() || self.growing.as_ref().is_some_and(|object| object.content.len() >= part_size)
    }

    /// Writes the full objects in order, and of the one that grows whole parts. Answers the offset to read from again, when
    /// an object that was there already held less than ours.
    ///
    /// # Errors
    /// Nothing is lost: what could not be sent is sent by the next call.
    pub(crate) async fn send(&mut self, uploader: &Uploader) -> Result<Option<i64>> {
        while let Some(object) = self.full.front_mut() {
            let completed = object.complete(uploader).await?;
            let end = object.end;
            self.full.pop_front();
            match completed {
                Completed::Present(Some(theirs)) if theirs < end => {
                    tracing::info!(partition = %self.partition, theirs, "an object was there already: reading on behind it");
                    *self = Self { safe: Some(theirs + 1), ..Self::new(self.partition.clone()) };
                    return Ok(Some(theirs + 1));
                }
                Completed::Written | Completed::Present(_) => self.safe = Some(end + 1),
            }
        }
        if self.growing.is_none() {
            self.safe = self.next;
        }
        if let Some(object) = &mut self.growing
            && object.content.len() >= uploader.settings.part_size
        {
            object.send_part(uploader).await?;
        }
        Ok(None)
    }

    /// The next offset that may be committed.
    pub(crate) fn safe(&self) -> Option<i64> {
        self.safe
    }

    /// Gives up what is not complete.
    pub(crate) async fn abandon(self, uploader: &Uploader) {
        for object in self.growing.into_iter().chain(self.full) {
            if let Some(parts) = &object.parts {
                uploader.abort(&object.name, parts).await;
            }
        }
    }
}

impl Object {
    async fn send_part(&mut self, uploader: &Uploader) -> Result<()> {
        let body = self.part.take().unwrap_or_else(|| self.content.take());
        // What cannot be sent now goes first the next time.
        self.part = Some(body.clone());
        if self.parts.is_none() {
            self.parts = Some(uploader.begin(&self.name).await?);
        }
        if let Some(parts) = &mut self.parts {
            uploader.send(&self.name, parts, body).await?;
        }
        self.part = None;
        Ok(())
    }

    async fn complete(&mut self, uploader: &Uploader) -> Result<Completed> {
        if self.parts.is_none() && self.part.is_none() && self.content.len() < uploader.settings.part_size {
            return uploader.put(&self.name, self.content.whole(), self.end).await;
        }
        while self.part.is_some() || self.content.len() > 0 {
            self.send_part(uploader).await?;
        }
        match &self.parts {
            Some(parts) => uploader.complete(&self.name, parts).await,
            None => Ok(Completed::Written),
        }
    }

    fn buffered(&self) -> usize {
        self.content.len() + self.part.as_ref().map_or(0, Bytes::len)
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

    /// The bytes of an object that is full.
    fn whole(&self) -> Bytes {
        match self {
            Self::Growing(_) => Bytes::new(),
            Self::Whole(bytes) => bytes.clone(),
        }
    }
}
