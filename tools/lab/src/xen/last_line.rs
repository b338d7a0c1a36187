//! The exit status of a guest: its console's last words, as Xen has no place for one.

/// What is before the number.
const BEGINNING: &[u8] = b"muslin: exit status ";

/// A console, with the last words kept back.
#[derive(Debug, Default)]
pub struct Console {
    /// Ends like the last words, or a beginning of them.
    kept: Vec<u8>,
}

impl Console {
    /// Takes more of it; what is certainly not the last words is for `write`.
    pub fn take(&mut self, bytes: &[u8], write: &mut dyn FnMut(&[u8])) {
        self.kept.extend_from_slice(bytes);
        let may_be_last = |at: &usize| number(&self.kept[*at..]).is_some();
        let until = (self.kept.len().saturating_sub(LONGEST)..self.kept.len())
            .find(may_be_last)
            .unwrap_or(self.kept.len());
        if until > 0 {
            write(&self.kept[..until]);
            self.kept.drain(..until);
        }
    }

    /// The status at its end; what was kept back for nothing is for `write`.
    pub fn end(self, write: &mut dyn FnMut(&[u8])) -> Option<u8> {
        let status = number(&self.kept).flatten();
        if status.is_none() && !self.kept.is_empty() {
            write(&self.kept);
        }
        status
    }
}

/// Bytes of the longest last words.
const LONGEST: usize = BEGINNING.len() + "255\n".len();

/// Is this the last words, with a number, or a beginning of them, without?
fn number(bytes: &[u8]) -> Option<Option<u8>> {
    let Some(rest) = bytes.strip_prefix(BEGINNING) else {
        return BEGINNING.starts_with(bytes).then_some(None);
    };
    let (digits, is_whole) = match rest.strip_suffix(b"\n") {
        Some(digits) => (digits, true),
        None => (rest, false),
    };
    if digits.is_empty() && !is_whole {
        return Some(None);
    }
    let is_number = digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit);
    let number = is_number.then(|| str::from_utf8(digits).ok()?.parse().ok())??;
    Some(is_whole.then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[&str]) -> (String, Option<u8>) {
        let mut text = Vec::new();
        let mut console = Console::default();
        for piece in pieces {
            console.take(piece.as_bytes(), &mut |bytes| text.extend_from_slice(bytes));
        }
        let status = console.end(&mut |bytes| text.extend_from_slice(bytes));
        (String::from_utf8_lossy(&text).into_owned(), status)
    }

    #[test]
    fn the_last_words_are_a_status_however_they_come() {
        let whole = "text\nmore muslin: exit status 42\n";
        for first in 0..whole.len() {
            for second in first..whole.len() {
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];
                assert_eq!(of(&pieces), ("text\nmore ".to_owned(), Some(42)));
            }
        }
    }

    #[test]
    fn what_only_looks_like_the_last_words_is_text() {
        for text in [
            "",
            "muslin: exit status ",
            "muslin: exit status \n",
            "muslin: exit status 256\n",
            "muslin: exit status 0001\n",
            "muslin: exit status +1\n",
            "muslin: exit status 1",
            "muslin: exit status 1\nmore",
            "mu",
        ] {
            assert_eq!(of(&[text]), (text.to_owned(), None));
        }
        let twice = "muslin: exit status 1\nmuslin: exit status 2\n";
        assert_eq!(
            of(&[twice]),
            ("muslin: exit status 1\n".to_owned(), Some(2))
        );
    }
}
