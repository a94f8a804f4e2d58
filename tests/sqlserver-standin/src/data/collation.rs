//! Collations: how text is encoded and compared, and the five bytes in which the protocol says so.

use encoding_rs::Encoding;

/// A collation that the stand-in knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Collation(u8);

/// What is known of a collation.
struct Facts {
    name: &'static str,
    /// The locale's number, of 20 bits.
    locale: u32,
    /// Of the old collations that SQL Server sorts by itself; 0 for those of Windows.
    sort_id: u8,
    /// 0 for the collations of 2000, 1 for the 90s, 2 for the 100s, 3 for the 140s.
    version: u8,
    code_page: u16,
    case: Case,
    utf8: bool,
}

/// Which differences a comparison takes into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `CI_AS`
    Insensitive,
    /// `CS_AS`
    Sensitive,
    /// `BIN2`: code points.
    Binary,
}

const UTF8: u16 = 65001;

const KNOWN: &[Facts] = &[
    known("SQL_Latin1_General_CP1_CI_AS", 0x0409, 52, 0, 1252, Case::Insensitive),
    known("SQL_Latin1_General_CP1_CS_AS", 0x0409, 51, 0, 1252, Case::Sensitive),
    known("Latin1_General_CI_AS", 0x0409, 0, 0, 1252, Case::Insensitive),
    known("Latin1_General_CS_AS", 0x0409, 0, 0, 1252, Case::Sensitive),
    known("Latin1_General_BIN2", 0x0409, 0, 0, 1252, Case::Binary),
    known("Latin1_General_100_CI_AS", 0x0409, 0, 2, 1252, Case::Insensitive),
    known("Latin1_General_100_BIN2", 0x0409, 0, 2, 1252, Case::Binary),
    known("Latin1_General_100_CI_AS_SC_UTF8", 0x0409, 0, 2, UTF8, Case::Insensitive),
    known("Latin1_General_100_CS_AS_SC_UTF8", 0x0409, 0, 2, UTF8, Case::Sensitive),
    known("Latin1_General_100_BIN2_UTF8", 0x0409, 0, 2, UTF8, Case::Binary),
    known("Polish_CI_AS", 0x0415, 0, 0, 1250, Case::Insensitive),
    known("Czech_CI_AS", 0x0405, 0, 0, 1250, Case::Insensitive),
    known("Cyrillic_General_CI_AS", 0x0419, 0, 0, 1251, Case::Insensitive),
    known("Greek_CI_AS", 0x0408, 0, 0, 1253, Case::Insensitive),
    known("Turkish_CI_AS", 0x041f, 0, 0, 1254, Case::Insensitive),
    known("Hebrew_CI_AS", 0x040d, 0, 0, 1255, Case::Insensitive),
    known("Arabic_CI_AS", 0x0401, 0, 0, 1256, Case::Insensitive),
    known("Japanese_CI_AS", 0x0411, 0, 0, 932, Case::Insensitive),
    known("Chinese_PRC_CI_AS", 0x0804, 0, 0, 936, Case::Insensitive),
    known("Korean_Wansung_CI_AS", 0x0412, 0, 0, 949, Case::Insensitive),
];

const fn known(name: &'static str, locale: u32, sort_id: u8, version: u8, code_page: u16, case: Case) -> Facts {
    Facts { name, locale, sort_id, version, code_page, case, utf8: code_page == UTF8 }
}

impl Collation {
    /// The server's default collation: `SQL_Latin1_General_CP1_CI_AS`.
    pub const DEFAULT: Collation = Collation(0);

    /// The collation of this name, in any case; none if it is not known.
    pub fn named(name: &str) -> Option<Collation> {
        let index = KNOWN.iter().position(|k| k.name.eq_ignore_ascii_case(name))?;
        u8::try_from(index).ok().map(Collation)
    }

    /// All that are known.
    pub fn all() -> impl Iterator<Item = Collation> {
        (0_u8..).take(KNOWN.len()).map(Collation)
    }

    fn facts(self) -> &'static Facts {
        KNOWN.get(usize::from(self.0)).unwrap_or(&KNOWN[0])
    }

    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The code page of `char`, `varchar` and `text`, as `COLLATIONPROPERTY` says it.
    pub fn code_page(self) -> u16 {
        self.facts().code_page
    }

    /// The locale's number, as `COLLATIONPROPERTY` says it.
    pub fn locale(self) -> u32 {
        self.facts().locale
    }

    pub fn case(self) -> Case {
        self.facts().case
    }

    pub fn is_utf8(self) -> bool {
        self.facts().utf8
    }

    /// How `char`, `varchar` and `text` are encoded.
    pub fn encoding(self) -> &'static Encoding {
        match self.code_page() {
            UTF8 => encoding_rs::UTF_8,
            1250 => encoding_rs::WINDOWS_1250,
            1251 => encoding_rs::WINDOWS_1251,
            1253 => encoding_rs::WINDOWS_1253,
            1254 => encoding_rs::WINDOWS_1254,
            1255 => encoding_rs::WINDOWS_1255,
            1256 => encoding_rs::WINDOWS_1256,
            932 => encoding_rs::SHIFT_JIS,
            936 => encoding_rs::GBK,
            949 => encoding_rs::EUC_KR,
            _ => encoding_rs::WINDOWS_1252,
        }
    }

    /// The five bytes of the protocol: locale (20 bits), flags (8), version (4), sort order (8).
    pub fn to_bytes(self) -> [u8; 5] {
        const IGNORE_CASE: u32 = 1 << 20;
        const IGNORE_KANA: u32 = 1 << 22;
        const IGNORE_WIDTH: u32 = 1 << 23;
        const BINARY2: u32 = 1 << 25;
        const UTF8_FLAG: u32 = 1 << 26;
        let facts = self.facts();
        let flags = match facts.case {
            Case::Insensitive => IGNORE_CASE | IGNORE_KANA | IGNORE_WIDTH,
            Case::Sensitive => IGNORE_KANA | IGNORE_WIDTH,
            Case::Binary => BINARY2,
        };
        let utf8 = if facts.utf8 { UTF8_FLAG } else { 0 };
        let word = facts.locale | flags | utf8 | (u32::from(facts.version) << 28);
        let [a, b, c, d] = word.to_le_bytes();
        [a, b, c, d, facts.sort_id]
    }

    /// The known collation that a client's five bytes mean: the very one, or one of the same encoding, or the default.
    pub fn from_bytes(bytes: [u8; 5]) -> Collation {
        if let Some(exact) = Collation::all().find(|c| c.to_bytes() == bytes) {
            return exact;
        }
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let (locale, utf8) = (word & 0xF_FFFF, word & (1 << 26) != 0);
        Collation::all()
            .find(|c| c.is_utf8() == utf8 && (utf8 || c.facts().locale == locale))
            .unwrap_or(Collation::DEFAULT)
    }
}

impl Default for Collation {
    fn default() -> Collation {
        Collation::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_the_bytes_that_every_trace_shows() {
        assert_eq!(Collation::DEFAULT.to_bytes(), [0x09, 0x04, 0xd0, 0x00, 0x34]);
    }

    #[test]
    fn each_is_found_by_its_name_and_by_its_bytes() {
        for collation in Collation::all() {
            assert_eq!(Collation::named(&collation.name().to_lowercase()), Some(collation));
            assert_eq!(Collation::from_bytes(collation.to_bytes()), collation);
        }
    }

    #[test]
    fn unknown_bytes_mean_one_of_the_same_encoding() {
        let utf8 = Collation::from_bytes([0x15, 0x04, 0x00, 0x24, 0x00]);
        assert!(utf8.is_utf8());
        assert_eq!(Collation::from_bytes([0xff, 0xff, 0x0f, 0x00, 0x00]), Collation::DEFAULT);
    }
}
