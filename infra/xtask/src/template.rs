//! Text with `{{placeholders}}`.

/// Puts values in the places of their names.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}

/// `slot-spin` → `SlotSpin`
pub fn pascal(kebab: &str) -> String {
    kebab
        .split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_ascii_uppercase().to_string() + letters.as_str()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_place() {
        assert_eq!(fill("{{a}}-{{b}}-{{a}}", &[("a", "1"), ("b", "2")]), "1-2-1");
    }

    #[test]
    fn logical_ids_follow_the_function_name() {
        assert_eq!(pascal("slot-spin"), "SlotSpin");
        assert_eq!(pascal("health"), "Health");
    }
}
