use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::slice;

use rdkafka::bindings::{
    rd_kafka_topic_partition_list_add, rd_kafka_topic_partition_list_copy, rd_kafka_topic_partition_list_destroy,
    rd_kafka_topic_partition_list_new, rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_t,
};

use super::{Failure, c_text, code};

/// A list of partitions with offsets, owned.
#[derive(Debug)]
pub struct PartitionList(NonNull<rd_kafka_topic_partition_list_t>);

// SAFETY: plain memory without ties to a thread.
unsafe impl Send for PartitionList {}

/// One entry of a [`PartitionList`].
#[derive(Debug)]
pub struct Entry<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub result: Result<(), Failure>,
}

impl PartitionList {
    /// Topic, partition and offset (or one of librdkafka's negative positions) for each entry.
    pub fn new<'a>(entries: impl IntoIterator<Item = (&'a str, i32, i64)>) -> Option<Self> {
        // SAFETY: makes an empty list that this value frees.
        let list = Self(NonNull::new(unsafe { rd_kafka_topic_partition_list_new(16) })?);
        for (topic, partition, offset) in entries {
            let topic = c_text(topic);
            // SAFETY: the list lives; the topic is copied; the entry is valid until the next one is added.
            unsafe {
                let entry = rd_kafka_topic_partition_list_add(list.0.as_ptr(), topic.as_ptr(), partition);
                (*entry).offset = offset;
            }
        }
        Some(list)
    }

    /// A copy of a list that somebody else owns; empty for null.
    ///
    /// # Safety
    /// The pointer is null or a live list.
    pub(super) unsafe fn copy_of(list: *const rd_kafka_topic_partition_list_t) -> Option<Self> {
        if list.is_null() {
            return Self::new([]);
        }
        // SAFETY: as the caller promises.
        NonNull::new(unsafe { rd_kafka_topic_partition_list_copy(list) }).map(Self)
    }

    /// Takes over a list.
    ///
    /// # Safety
    /// The pointer is null or a live list that is not freed elsewhere.
    pub(super) unsafe fn own(list: *mut rd_kafka_topic_partition_list_t) -> Option<Self> {
        NonNull::new(list).map(Self)
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        // SAFETY: `elems` holds `cnt` entries for as long as the list lives, and no method changes them.
        let entries: &[rd_kafka_topic_partition_t] = unsafe {
            let list = self.0.as_ref();
            let count = usize::try_from(list.cnt).unwrap_or_default();
            if count == 0 { &[] } else { slice::from_raw_parts(list.elems, count) }
        };
        // SAFETY: the entries live as long as the list.
        entries.iter().map(|entry| unsafe { view(entry) })
    }
}

/// Reads one entry.
///
/// # Safety
/// The pointer is to a live entry whose topic is a C string.
pub(super) unsafe fn view<'a>(entry: *const rd_kafka_topic_partition_t) -> Entry<'a> {
    // SAFETY: as the caller promises. The code is read as the number it is: a newer broker may send one that
    // the enumeration does not have.
    unsafe {
        let code = (&raw const (*entry).err).cast::<i32>().read();
        let topic = CStr::from_ptr((*entry).topic).to_str().unwrap_or_default();
        let result = if code == code::NONE { Ok(()) } else { Err(Failure::of(code)) };
        Entry { topic, partition: (*entry).partition, offset: (*entry).offset, result }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) }
    }
}

/// A null pointer when there is no list.
pub(super) fn pointer(list: Option<&PartitionList>) -> *const rd_kafka_topic_partition_list_t {
    list.map_or(ptr::null(), |list| list.as_ptr().cast_const())
}
