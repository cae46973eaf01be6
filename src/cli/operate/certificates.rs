//! `lb certificates` as text: a line for each certificate.

use anstyle::{AnsiColor, Style};

use super::table::painted;
use crate::admin::view::Certificate;

const GAP: &str = "  ";
const DIM: Style = Style::new().dimmed();
/// From here on a certificate is shown as one that ends soon, as the process log warns of it.
const SOON: i64 = 20;

/// The whole text, with colours.
pub(super) fn text(certificates: &[Certificate]) -> String {
    if certificates.is_empty() {
        return "no listener has a certificate\n".to_owned();
    }
    let heads = ["NAMES", "DAYS", "UNTIL", "ISSUER", "SOURCE", "LISTENERS"].map(str::to_owned);
    let rows: Vec<_> = certificates.iter().map(row).collect();
    let width = |index: usize| {
        let cells = rows.iter().chain([&heads]).map(|row| row[index].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..heads.len()).map(width).collect();
    let mut text = painted(DIM, &line(&heads, &widths)) + "\n";
    for (row, certificate) in rows.iter().zip(certificates) {
        text.push_str(&painted(style(certificate.days_left), &line(row, &widths)));
        text.push('\n');
    }
    text
}

fn row(certificate: &Certificate) -> [String; 6] {
    [
        certificate.names.join(","),
        certificate.days_left.to_string(),
        certificate.until.split('T').next().unwrap_or_default().to_owned(),
        certificate.issuer.clone(),
        certificate.source.clone(),
        certificate.listeners.join(","),
    ]
}

fn line(row: &[String; 6], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(index, (cell, width))| {
        let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
        // Days are a number, so they stand on the right.
        if index == 1 { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
    });
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

fn style(days: i64) -> Style {
    match days {
        ..0 => AnsiColor::Red.on_default(),
        0..SOON => AnsiColor::Yellow.on_default(),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str, days_left: i64) -> Certificate {
        Certificate {
            names: vec![name.to_owned()],
            issuer: "CN=R11".to_owned(),
            from: "2026-01-01T00:00:00Z".to_owned(),
            until: "2026-12-01T00:00:00Z".to_owned(),
            days_left,
            source: "/etc/lb/shop.pem".to_owned(),
            listeners: vec!["0.0.0.0:443".to_owned(), "[::]:443".to_owned()],
        }
    }

    #[test]
    fn each_certificate_is_a_line_and_its_days_stand_on_the_right() {
        let text = text(&[certificate("shop.example", 90), certificate("*.a.example", 3)]);
        let expected = "\
NAMES         DAYS  UNTIL       ISSUER  SOURCE            LISTENERS
shop.example    90  2026-12-01  CN=R11  /etc/lb/shop.pem  0.0.0.0:443,[::]:443
*.a.example      3  2026-12-01  CN=R11  /etc/lb/shop.pem  0.0.0.0:443,[::]:443
";
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), expected);
        assert_eq!(super::text(&[]), "no listener has a certificate\n");
    }
}
