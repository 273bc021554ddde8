//! The ASCII form of names in other letters, to say what to write (RFC 3492, RFC 5890 section 2.3.2.1).

/// Bytes of a label at most; longer ones have no ASCII form (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// The ASCII form of a host name, label by label. `None` where a label would be too long.
pub(crate) fn ascii(name: &str) -> Option<String> {
    let labels: Option<Vec<String>> = name.split('.').map(label).collect();
    Some(labels?.join("."))
}

fn label(label: &str) -> Option<String> {
    if label.is_ascii() {
        return Some(label.to_ascii_lowercase());
    }
    let letters: Vec<char> = label.to_lowercase().chars().take(LABEL_BYTES_MAX + 1).collect();
    let encoded = format!("xn--{}", encode(&letters)?);
    (encoded.len() <= LABEL_BYTES_MAX).then_some(encoded)
}

/// RFC 3492 section 6.3. `None` if a number grows too large, which no label of 63 bytes does.
fn encode(letters: &[char]) -> Option<String> {
    let mut out: String = letters.iter().filter(|c| c.is_ascii()).collect();
    let basic = u32::try_from(out.len()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72_u32, basic);
    while (handled as usize) < letters.len() {
        let next = letters.iter().map(|c| u32::from(*c)).filter(|c| *c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for c in letters.iter().map(|c| u32::from(*c)) {
            if c < n {
                delta = delta.checked_add(1)?;
            } else if c == n {
                number(delta, bias, &mut out);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(out)
}

/// A number in digits of varying base (RFC 3492 section 3.3).
fn number(mut value: u32, bias: u32, out: &mut String) {
    for k in (36_u32..).step_by(36) {
        let threshold = k.saturating_sub(bias).clamp(1, 26);
        if value < threshold {
            break;
        }
        out.push(digit(threshold + (value - threshold) % (36 - threshold)));
        value = (value - threshold) / (36 - threshold);
    }
    out.push(digit(value));
}

/// RFC 3492 section 6.1.
fn adapt(delta: u32, handled: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / handled;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

/// 0 to 25 are `a` to `z`, 26 to 35 are `0` to `9`.
fn digit(value: u32) -> char {
    char::from_digit((value + 10) % 36, 36).unwrap_or('a')
}

#[cfg(test)]
mod tests {
    use super::ascii;

    #[test]
    fn names_have_the_form_that_dns_knows() {
        for (name, form) in [
            ("mail.example.com", "mail.example.com"),
            ("münchen.test", "xn--mnchen-3ya.test"),
            ("Bücher.Example", "xn--bcher-kva.example"),
            ("ü", "xn--tda"),
            ("食狮.com.cn", "xn--85x722f.com.cn"),
            ("правда", "xn--80aafi6cg"),
            ("他们为什么不说中文", "xn--ihqwcrb4cv8a8dqg056pqjye"),
        ] {
            assert_eq!(ascii(name).as_deref(), Some(form));
        }
        assert_eq!(ascii(&"ü".repeat(10_000)), None);
    }
}
