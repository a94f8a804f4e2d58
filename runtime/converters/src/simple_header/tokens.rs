/// Divides text into delimiters and the parts between them. A delimiter after a backslash does not count.
pub(super) struct Tokens<'a> {
    text: &'a str,
    /// The position after the last token taken, or after the one peeked at.
    at: usize,
    /// A token that was looked at but not taken.
    looked_at: Option<&'a str>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, looked_at: None }
    }

    /// The whole text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn has_next(&self) -> bool {
        self.looked_at.is_some() || self.at < self.text.len()
    }

    /// The next token; empty at the end.
    pub(super) fn next(&mut self) -> &'a str {
        self.looked_at.take().unwrap_or_else(|| self.read())
    }

    /// This many tokens as one, if there are so many.
    pub(super) fn next_several(&mut self, count: usize) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..count {
            if !self.has_next() {
                self.rewind(start);
                return None;
            }
            self.next();
        }
        Some(&self.text[start..self.at])
    }

    /// Takes the next token if it is this one; white space before and around it does not count.
    pub(super) fn take(&mut self, expected: &str) -> bool {
        if !self.has_next() {
            return false;
        }
        let mut token = self.looked_at.take().unwrap_or_else(|| self.read());
        while token.trim().is_empty() && self.at < self.text.len() {
            token = self.read();
        }
        let is = token.trim() == expected;
        if !is {
            self.looked_at = Some(token);
        }
        is
    }

    /// A place to come back to.
    pub(super) fn mark(&self) -> usize {
        self.at - self.looked_at.map_or(0, str::len)
    }

    pub(super) fn rewind(&mut self, mark: usize) {
        self.at = mark;
        self.looked_at = None;
    }

    fn read(&mut self) -> &'a str {
        let start = self.at;
        let mut escaped = false;
        for (index, c) in self.text[start..].char_indices() {
            match c {
                '\\' => escaped = !escaped,
                ':' | ',' | '{' | '}' | '[' | ']' | '"' if !escaped => {
                    let end = start + if index == 0 { c.len_utf8() } else { index };
                    self.at = end;
                    return &self.text[start..end];
                }
                _ => escaped = false,
            }
        }
        self.at = self.text.len();
        &self.text[start..]
    }
}
