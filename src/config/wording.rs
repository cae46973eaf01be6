//! The wording of messages: the text found, lists of words, and "did you mean".

/// The longest text in a message: longer ones are cut, so that a message stays on one line.
const SHOWN: usize = 60;
/// The longest line of a file that a message tells the author to write.
pub(super) const LINE: usize = 200;

/// A text as messages show it: numbers bare, anything else in quotes; see [`visible`].
pub(super) fn quoted(text: &str) -> String {
    if !text.is_empty() && text.parse::<f64>().is_ok() && text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("\"{}\"", visible(text))
}

/// A text cut when long, and without characters that would disturb a terminal.
pub(super) fn visible(text: &str) -> String {
    escaped(text, SHOWN)
}

/// Like [`visible`], for a text of at most `length` characters.
pub(super) fn escaped(text: &str, length: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().take(length) {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    if text.chars().nth(length).is_some() {
        shown.push('…');
    }
    shown
}

/// The word that was probably meant, if one is near enough.
pub(super) fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = plain(text);
    let allowed = match text.chars().count() {
        // Short words often differ in two letters, such as min and max.
        0..=4 => 1,
        length => 1 + length / 3,
    };
    words
        .into_iter()
        .map(|word| (distance(&text, &plain(word)), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Appends the word to write to the message, if one is near enough.
pub(super) fn with_nearest<'a>(
    message: String,
    text: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> String {
    match nearest(text, words) {
        Some(word) => format!("{message} (write {word})"),
        None => message,
    }
}

/// Returns `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Whether two names differ only in the way words are joined: `max_fails` and `max-fails`.
pub(super) fn is_same_word(text: &str, word: &str) -> bool {
    plain(text) == plain(word)
}

/// Whether a name is a word and an `s`.
pub(super) fn is_plural(text: &str, word: &str) -> bool {
    plain(text).strip_suffix('s').is_some_and(|text| text == plain(word))
}

/// The number of typing mistakes between two words; a word that was cut short, or extended, counts
/// as one.
fn distance(text: &str, word: &str) -> usize {
    let singular = text.strip_suffix('s').unwrap_or(text);
    let is_cut = [text, singular].iter().any(|cut| cut.len() >= 3 && word.starts_with(cut));
    // Too many other words begin with three letters: max_percent is not max.
    let went_on = word.len() > 3 && text.starts_with(word);
    let typed = strsim::osa_distance(text, word);
    if is_cut || went_on { typed.min(1) } else { typed }
}

/// The word without case, `-` and `_`, which people mix up most.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        let words = ["backends", "health_check", "timeouts", "retry"];
        for (text, word) in [
            ("backend", "backends"),
            ("bakcends", "backends"),
            ("health-check", "health_check"),
            ("healthCheck", "health_check"),
            ("health", "health_check"),
            ("time_outs", "timeouts"),
            ("retries", "retry"),
            ("healths", "health_check"),
            ("hea", "health_check"),
            ("retry_policy", "retry"),
        ] {
            assert_eq!(nearest(text, words), Some(word), "{text}");
        }
    }

    #[test]
    fn a_word_of_its_own_has_no_neighbour() {
        assert_eq!(nearest("servers", ["backends", "retry"]), None);
        assert_eq!(nearest("", ["backends", "retry"]), None);
        assert_eq!(nearest("min", ["base", "max"]), None);
        assert_eq!(nearest("max_percent", ["base", "max"]), None);
        assert_eq!(nearest("rate", ["base", "max"]), None);
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(alternatives(&["a"]), "a");
        assert_eq!(alternatives(&["a", "b"]), "a or b");
        assert_eq!(alternatives(&["a", "b", "c"]), "a, b or c");
    }

    #[test]
    fn a_shown_text_is_one_short_line() {
        assert_eq!(quoted("0"), "0");
        assert_eq!(quoted("a\nb\u{1b}[0m"), r#""a\nb\u{1b}[0m""#);
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), SHOWN + 3);
        assert_eq!(quoted(&"1".repeat(100)).chars().count(), SHOWN + 3);
    }
}
