/// What happened to a table: the type of an entry in the schema history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableChange {
    Create,
    Alter,
}

impl TableChange {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Alter => "ALTER",
        }
    }
}
