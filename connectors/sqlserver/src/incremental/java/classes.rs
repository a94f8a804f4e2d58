//! Class descriptions of key values in a Java object stream.

/// The type codes that begin each element of a stream.
pub(super) mod tag {
    pub(in super::super) const NULL: u8 = 0x70;
    pub(in super::super) const REFERENCE: u8 = 0x71;
    pub(in super::super) const CLASS: u8 = 0x72;
    pub(in super::super) const OBJECT: u8 = 0x73;
    pub(in super::super) const TEXT: u8 = 0x74;
    pub(in super::super) const ARRAY: u8 = 0x75;
    pub(in super::super) const BLOCK: u8 = 0x77;
    pub(in super::super) const END: u8 = 0x78;
}

/// Magic number and version of the format.
pub(super) const HEADER: [u8; 4] = [0xac, 0xed, 0, 5];
/// The first handle; later elements that can be referenced get the following numbers.
pub(super) const FIRST_HANDLE: u32 = 0x7e_0000;
/// Flag of a class that writes more than its fields.
pub(super) const WRITES_MORE: u8 = 1;

/// A field: type code, name, and the class if it is an object.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) letter: u8,
    pub(super) name: &'static str,
    pub(super) of: Option<&'static str>,
}

#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) version: u64,
    pub(super) flags: u8,
    pub(super) fields: &'static [Field],
    pub(super) parent: Option<&'static Class>,
}

const PLAIN: u8 = 2;

const fn plain(name: &'static str, version: u64) -> Class {
    Class { name, version, flags: PLAIN, fields: &[], parent: None }
}

const fn field(letter: u8, name: &'static str) -> Field {
    Field { letter, name, of: None }
}

const fn number(name: &'static str, version: u64, value: &'static [Field]) -> Class {
    Class { name, version, flags: PLAIN, fields: value, parent: Some(&NUMBER) }
}

pub(super) static OBJECTS: Class = plain("[Ljava.lang.Object;", 0x90ce_589f_1073_296c);
pub(super) static BYTES: Class = plain("[B", 0xacf3_17f8_0608_54e0);
static NUMBER: Class = plain("java.lang.Number", 0x86ac_951d_0b94_e08b);
pub(super) static INTEGER: Class = number("java.lang.Integer", 0x12e2_a0a4_f781_8738, &[field(b'I', "value")]);
pub(super) static LONG: Class = number("java.lang.Long", 0x3b8b_e490_cc8f_23df, &[field(b'J', "value")]);
pub(super) static SHORT: Class = number("java.lang.Short", 0x684d_3713_3460_da52, &[field(b'S', "value")]);
pub(super) static FLOAT: Class = number("java.lang.Float", 0xdaed_c9a2_db3c_f0ec, &[field(b'F', "value")]);
pub(super) static DOUBLE: Class = number("java.lang.Double", 0x80b3_c24a_296b_fb04, &[field(b'D', "value")]);
pub(super) static BOOLEAN: Class =
    Class { fields: &[field(b'Z', "value")], ..plain("java.lang.Boolean", 0xcd20_7280_d59c_faee) };
static UTIL_DATE: Class = Class { flags: PLAIN | WRITES_MORE, ..plain("java.util.Date", 0x686a_8101_4b59_7419) };
pub(super) static DATE: Class = Class { parent: Some(&UTIL_DATE), ..plain("java.sql.Date", 0x14fa_4668_3f35_6697) };
pub(super) static TIMESTAMP: Class = Class {
    fields: &[field(b'I', "nanos")],
    parent: Some(&UTIL_DATE),
    ..plain("java.sql.Timestamp", 0x2618_d5c8_0153_bf65)
};
pub(super) static DECIMAL: Class = Class {
    name: "java.math.BigDecimal",
    version: 0x54c7_1557_f981_284f,
    flags: PLAIN | WRITES_MORE,
    fields: &[field(b'I', "scale"), Field { letter: b'L', name: "intVal", of: Some("Ljava/math/BigInteger;") }],
    parent: Some(&NUMBER),
};
pub(super) static WHOLE: Class = Class {
    name: "java.math.BigInteger",
    version: 0x8cfc_9f1f_a93b_fb1d,
    flags: PLAIN | WRITES_MORE,
    fields: &[
        field(b'I', "bitCount"),
        field(b'I', "bitLength"),
        field(b'I', "firstNonzeroByteNum"),
        field(b'I', "lowestSetBit"),
        field(b'I', "signum"),
        Field { letter: b'[', name: "magnitude", of: Some("[B") },
    ],
    parent: Some(&NUMBER),
};
