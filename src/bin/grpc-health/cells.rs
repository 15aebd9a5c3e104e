//! How many columns of a terminal a text takes.

/// Characters that take two columns, roughly: those of East Asia, and emoji.
const WIDE: &[(char, char)] = &[
    ('\u{1100}', '\u{115f}'),
    ('\u{231a}', '\u{231b}'),
    ('\u{23e9}', '\u{23f3}'),
    ('\u{25fd}', '\u{25fe}'),
    ('\u{2614}', '\u{2615}'),
    ('\u{2648}', '\u{2653}'),
    ('\u{26a1}', '\u{26fd}'),
    ('\u{2705}', '\u{2728}'),
    ('\u{274c}', '\u{2757}'),
    ('\u{2795}', '\u{27bf}'),
    ('\u{2b1b}', '\u{2b55}'),
    ('\u{2e80}', '\u{303e}'),
    ('\u{3041}', '\u{a4cf}'),
    ('\u{a960}', '\u{a97c}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe10}', '\u{fe19}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff00}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{16fe0}', '\u{1b2ff}'),
    ('\u{1f004}', '\u{1f004}'),
    ('\u{1f0cf}', '\u{1f0cf}'),
    ('\u{1f18e}', '\u{1f19a}'),
    ('\u{1f1e6}', '\u{1f64f}'),
    ('\u{1f680}', '\u{1f6ff}'),
    ('\u{1f7e0}', '\u{1f7f0}'),
    ('\u{1f90c}', '\u{1faff}'),
    ('\u{20000}', '\u{3fffd}'),
];

fn columns(c: char) -> usize {
    let wide = WIDE
        .iter()
        .any(|&(first, last)| (first..=last).contains(&c));
    if wide { 2 } else { 1 }
}

/// The columns of a text without invisible characters. A mark that combines with the character before counts as a column, so the text may
/// take fewer.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Cuts a text to so many columns. A text that is cut ends with `…`.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut left = max.saturating_sub(1);
    let mut shown: String = text
        .chars()
        .take_while(|&c| {
            let fits = columns(c) <= left;
            left = left.saturating_sub(columns(c));
            fits
        })
        .collect();
    if max > 0 {
        shown.push('…');
    }
    shown
}

/// The spaces that fill a text up to so many columns.
pub(crate) fn fill(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        for (text, columns) in [
            ("", 0),
            ("shop", 4),
            ("é", 1),
            ("漢字", 4),
            ("a🦀", 3),
            ("…", 1),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_to_its_columns() {
        for (text, max, shown) in [
            ("shop.Cart", 9, "shop.Cart"),
            ("shop.Cart", 8, "shop.Ca…"),
            ("漢字漢", 6, "漢字漢"),
            ("漢字漢", 5, "漢字…"),
            ("漢字漢", 4, "漢…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
            ("", 0, ""),
        ] {
            let cut = cut(text, max);
            assert_eq!(cut, shown);
            assert!(width(&cut) <= max);
        }
        assert_eq!(fill("漢", 5), "   ");
        assert_eq!(fill("shop", 3), "");
    }
}
